"""Keys that LLaMA-Factory hands to transformers' trainer, and its own keys beside them."""

from __future__ import annotations

from typing import Final

from kamerton.recipe.llamafactory.fates import Key, became, equal, off_with, refused

__all__ = ["OLD_NAMES", "TRAINER_KEYS"]

_STEPS = "every step stands in the run's journal, and followers are told of each"
_EVALUATION = "the validation part's loss is summed per token and does not depend on it"
_LOADER = "the rows of a step are made ready in the same process, and do not depend on it"
_DDP = "a matter of how processes talk to each other; what is learned is the same"
_GENERATION = "kamerton evaluate and kamerton generate have settings of their own; it has no effect on training"
_HUB = ("runs are not pushed to the hub", "kamerton registry add RUN keeps the model; upload its folder by hand")
_RAY = ("Ray does not start training", "torchrun --nproc-per-node N -m kamerton train FILE")
_PRIVATE = "a run records the file it was started from, and secrets do not belong there"
_TRACKIO = "of trackio, which is not a follower here"
_EXACT = "every run is deterministic, and resumes to the bit"

_LEARNING: Final = {
    "per_device_train_batch_size": became(
        8, "training.batch_size", how="per_device_train_batch_size x gradient_accumulation_steps x processes"
    ),
    "gradient_accumulation_steps": became(
        1, "training.batch_size", how="per_device_train_batch_size x gradient_accumulation_steps x processes"
    ),
    "num_train_epochs": became(3.0, "training.epochs"),
    "max_steps": became(-1, "training.max_steps", how="-1 follows num_train_epochs"),
    "learning_rate": became(5e-5, "training.learning_rate"),
    "lr_scheduler_type": became("linear", "training.schedule", how="linear, cosine, constant, inverse_sqrt"),
    "lr_scheduler_kwargs": became(
        None, "training.min_rate_share", how="min_lr or min_lr_rate of cosine_with_min_lr", kind="any"
    ),
    "warmup_steps": became(
        0,
        "training.warmup_steps",
        how="below 1 a share of all steps; warmup_ratio counts where it is given",
        kind="float",
    ),
    "warmup_ratio": became(None, "training.warmup_steps", how="a share of all steps", kind="float"),
    "optim": became("adamw_torch_fused", "training.optimizer.kind", how="adamw, adamw_8bit, adafactor, sgd"),
    "optim_args": refused(
        None, "options of an optimiser have names of their own", "training.optimizer.* in the recipe", kind="any"
    ),
    "optim_target_modules": refused(None, "it belongs to GaLore and APOLLO", "finetuning_type: lora", kind="any"),
    "weight_decay": became(0.0, "training.optimizer.weight_decay"),
    "adam_beta1": became(0.9, "training.optimizer.beta1", how="0 with optim: sgd, which has no momentum there"),
    "adam_beta2": became(0.999, "training.optimizer.beta2"),
    "adam_epsilon": became(1e-8, "training.optimizer.epsilon"),
    "max_grad_norm": became(1.0, "training.optimizer.max_grad_norm", how="0 is a bound that no gradient reaches"),
    "average_tokens_across_devices": equal(True, "the loss is a mean over all tokens of a step, wherever they are"),
    "label_smoothing_factor": refused(0.0, "labels are not smoothed", "weight_decay, or fewer epochs"),
    "neftune_noise_alpha": refused(None, "no noise is added to embeddings", "lora_dropout", kind="float"),
    "seed": became(42, "training.seed"),
    "data_seed": equal(None, "order, weights and dropout are functions of the one seed", kind="int"),
    "full_determinism": equal(False, _EXACT),
}

_ARITHMETIC: Final = {
    "bf16": became(False, "training.compute.precision", how="bf16; without bf16 and fp16 the machine decides"),
    "fp16": became(
        False,
        "training.compute.precision",
        how="fp16 is not done: bf16 where the machine has it, else fp32; bf16 counts where both are given",
    ),
    "bf16_full_eval": equal(False, "the validation part is measured with the precision of the training"),
    "fp16_full_eval": equal(False, "the validation part is measured with the precision of the training"),
    "tf32": equal(None, "the contract of equal bits decides it", kind="bool"),
    "gradient_checkpointing": became(False, "training.compute.gradient_checkpointing", how="true switches it on"),
    "activation_checkpointing": became(
        None, "training.compute.gradient_checkpointing", how="true switches it on", kind="bool"
    ),
    "activation_checkpointing_kwargs": equal(
        None, "activations that are computed again are the same either way", kind="any"
    ),
    "gradient_checkpointing_kwargs": equal(
        None, "activations that are computed again are the same either way", kind="any"
    ),
    "torch_compile": became(False, "training.compute.compile"),
    "torch_compile_backend": refused(None, "inductor alone is used", "torch_compile: true", kind="text"),
    "torch_compile_mode": refused(None, "the default mode alone is used", "torch_compile: true", kind="text"),
    "use_liger_kernel": equal(False, "a matter of speed; the check chooses kernels and says which"),
    "liger_kernel_config": equal(None, "a matter of speed; the check chooses kernels and says which", kind="any"),
    "use_cache": equal(False, "nothing is cached while training"),
    "torch_empty_cache_steps": equal(None, "memory is planned before the run", kind="int"),
    "auto_find_batch_size": equal(
        False, "a step is parted into as many passes as memory needs, which changes nothing else"
    ),
    "use_cpu": became(False, "training.compute.device", how="true is cpu"),
    "fp8": refused(False, "fp8 is not done", "bf16: true"),
    **off_with("fp8", fp8_backend="auto", fp8_enable_fsdp_float8_all_gather=False),
}

_WATCHING: Final = {
    "logging_strategy": equal("steps", _STEPS),
    "logging_steps": equal(500, _STEPS, kind="float"),
    "logging_first_step": equal(False, _STEPS),
    "log_on_each_node": equal(True, _STEPS),
    "logging_nan_inf_filter": equal(True, "a loss that is no number is never hidden: training.alarms.non_finite"),
    "include_num_input_tokens_seen": equal("no", _STEPS, kind="any"),
    "include_tokens_per_second": equal(False, _STEPS),
    "log_level": equal("passive", _STEPS),
    "log_level_replica": equal("warning", _STEPS),
    "disable_tqdm": equal(None, "--json keeps the screen quiet", kind="bool"),
    "logging_dir": equal(None, "TensorBoard's files stand in .kamerton/tensorboard", kind="text"),
    "report_to": became("none", "tracking.followers", how="mlflow, tensorboard, wandb, none or all", kind="names"),
    "run_name": equal(None, "followers know a run by its id", kind="text"),
    "project": became("huggingface", "tracking.experiment", how="where it is given"),
    "trackio_space_id": equal(None, _TRACKIO, kind="text"),
    "trackio_bucket_id": equal(None, _TRACKIO, kind="text"),
    "trackio_static_space_id": equal(None, _TRACKIO, kind="any"),
    "debug": equal("", "a loss or gradient that is no number stops every run", kind="any"),
    "skip_memory_metrics": equal(True, "peak memory is told of every run"),
    "enable_torch_profiler": refused(
        False, "runs are not profiled", "leave it out; tokens a second and memory are in the report"
    ),
    **off_with(
        "enable_torch_profiler",
        profiler_output_dir=None,
        profiler_wait_steps=1,
        profiler_warmup_steps=1,
        profiler_active_steps=1,
        profiler_repeat=1,
        profiler_record_shapes=True,
        profiler_profile_memory=True,
        profiler_with_stack=True,
    ),
    "profile_modules": refused(None, "runs are not profiled", "leave it out", kind="text"),
}

_MEASURING: Final = {
    "eval_strategy": became("no", "training.evaluate_every", how="steps, or epoch"),
    "eval_steps": became(None, "training.evaluate_every", how="with eval_strategy: steps", kind="float"),
    "eval_delay": equal(0, "an early measurement does no harm", kind="float"),
    "per_device_eval_batch_size": equal(8, _EVALUATION),
    "prediction_loss_only": equal(False, _EVALUATION),
    "eval_on_start": equal(False, "kamerton compare measures the base as well"),
    "eval_do_concat_batches": equal(True, _EVALUATION),
    "eval_use_gather_object": equal(False, _EVALUATION),
    "eval_accumulation_steps": equal(None, _EVALUATION, kind="int"),
    "include_for_metrics": equal(None, _EVALUATION, kind="any"),
    "batch_eval_metrics": equal(False, _EVALUATION),
    "load_best_model_at_end": became(False, "training.finish_with", how="true is best"),
    "metric_for_best_model": became(None, "training.finish_with", how="the validation loss alone", kind="text"),
    "greater_is_better": became(None, "training.finish_with", how="a loss is better when it is lower", kind="bool"),
    "sortish_sampler": equal(False, _EVALUATION),
    "predict_with_generate": equal(False, "kamerton evaluate RUN --on test generates answers and measures them"),
    "generation_max_length": equal(None, _GENERATION, kind="int"),
    "generation_num_beams": equal(None, _GENERATION, kind="int"),
    "generation_config": equal(None, _GENERATION, kind="any"),
}

_KEEPING: Final = {
    "output_dir": became(
        "trainer_output", "name", how="runs stand in .kamerton/runs; the folder's name becomes the model's"
    ),
    "overwrite_output_dir": equal(
        False, "each run has a folder of its own; nothing is written over, and only --resume goes on"
    ),
    "save_strategy": became("steps", "training.checkpoint_every", how="steps"),
    "save_steps": became(500, "training.checkpoint_every", kind="float", how="with save_strategy: steps"),
    "save_total_limit": became(None, "training.keep_checkpoints", kind="int", how="the newest ones"),
    "save_safetensors": equal(True, "weights are written as safetensors alone"),
    "save_only_model": equal(False, "a checkpoint has all that a resumption needs"),
    "save_on_each_node": equal(False, "the first process writes for all"),
    "enable_jit_checkpoint": equal(False, "a stop signal always writes a checkpoint"),
    "resume_from_checkpoint": refused(
        None, "a checkpoint of another tool cannot be gone on from", "kamerton train --resume RUN", kind="any"
    ),
    "ignore_data_skip": refused(False, "a resumed run sees what it would have seen", "leave it out"),
    "restore_callback_states_from_checkpoint": equal(False, _EXACT),
    "push_to_hub": refused(False, *_HUB),
    **off_with(
        "push_to_hub",
        hub_private_repo=None,
        hub_model_id=None,
        hub_strategy="every_save",
        hub_always_push=False,
        hub_revision=None,
    ),
    "hub_token": refused(None, _PRIVATE, "the environment variable HF_TOKEN", kind="text"),
    "do_train": became(False, "training", how="kamerton train trains; false is refused"),
    "do_eval": equal(False, "the validation part is measured wherever there is one"),
    "do_predict": refused(False, "training and prediction are two commands", "kamerton evaluate RUN --on test"),
}

_LOADING: Final = {
    "dataloader_drop_last": equal(False, "the last step of the run learns from what is left"),
    "dataloader_num_workers": equal(0, _LOADER),
    "dataloader_pin_memory": equal(True, _LOADER),
    "dataloader_persistent_workers": equal(False, _LOADER),
    "dataloader_prefetch_factor": equal(None, _LOADER, kind="int"),
    "dataloader_in_order": equal(True, _LOADER),
    "dataloader_multiprocessing_context": equal(None, _LOADER, kind="text"),
    "remove_unused_columns": equal(True, "columns that nobody names are not read"),
    "label_names": equal(None, "the labels are made from the rows", kind="any"),
    "train_sampling_strategy": became(
        "random", "training.compute.packing", how="the order is random; lengths are grouped without it"
    ),
    "group_by_length": equal(False, "the order is random; lengths are grouped without it"),
    "length_column_name": equal("length", "lengths are counted"),
}

_PROCESSES: Final = {
    "ddp_find_unused_parameters": equal(None, _DDP, kind="bool"),
    "ddp_bucket_cap_mb": equal(None, _DDP, kind="int"),
    "ddp_broadcast_buffers": equal(None, _DDP, kind="bool"),
    "ddp_static_graph": equal(None, _DDP, kind="bool"),
    "ddp_backend": equal(None, _DDP, kind="text"),
    "ddp_timeout": equal(1800, _DDP),
    "local_rank": equal(-1, "torchrun tells each process its place"),
    "fsdp": became(None, "training.parallel.strategy", how="fsdp2", kind="any"),
    "fsdp_config": equal(None, "fsdp2 parts each layer; it needs no further settings", kind="any"),
    "deepspeed": became(None, "training.parallel.deepspeed", how="a file", kind="any"),
    "accelerator_config": refused(None, "processes are laid out by training.parallel", "leave it out", kind="any"),
    "parallelism_config": refused(None, "processes are laid out by training.parallel", "fsdp: full_shard", kind="any"),
    "ray_run_name": refused(None, *_RAY, kind="text"),
    "ray_storage_path": refused("./saves", *_RAY),
    "ray_num_workers": refused(1, *_RAY),
    "resources_per_worker": refused({"GPU": 1}, *_RAY),
    "placement_strategy": refused("PACK", *_RAY),
    "ray_init_kwargs": refused(None, *_RAY, kind="any"),
    "master_addr": refused(None, "processes find each other through torchrun", "torchrun --master-addr", kind="text"),
    "master_port": refused(None, "processes find each other through torchrun", "torchrun --master-port", kind="any"),
}

TRAINER_KEYS: Final[dict[str, Key]] = {
    **_LEARNING,
    **_ARITHMETIC,
    **_WATCHING,
    **_MEASURING,
    **_KEEPING,
    **_LOADING,
    **_PROCESSES,
}

OLD_NAMES: Final = {
    "dpo_beta": "pref_beta",
    "dpo_ftx": "pref_ftx",
    "dpo_loss": "pref_loss",
    "evaluation_strategy": "eval_strategy",
    "name_module_trainable": "freeze_trainable_modules",
    "no_cuda": "use_cpu",
    "num_layer_trainable": "freeze_trainable_layers",
    "sft_packing": "packing",
}
"""Keys of older versions with the names that they have now."""
