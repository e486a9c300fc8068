"""Keys of LLaMA-Factory about what is learned and which weights move."""

from __future__ import annotations

from typing import Final

from kamerton.recipe.llamafactory.fates import Key, became, equal, off_with, refused

__all__ = ["METHOD_KEYS"]

_PPO = ("ppo with a reward model is not done", "training.objective: grpo, whose rewards are functions")
_SMALL = "finetuning_type: lora, or full with optim: adamw_8bit"
_MEGATRON = ("Megatron is not used", "fsdp: full_shard, or deepspeed")
_VISION = "it speaks of a model that sees; Kamerton trains on text alone"
_PRIVATE = "a run records the file it was started from, and secrets do not belong there"
_LORA, _FREEZE, _OFT = "finetuning_type: lora", "finetuning_type: freeze", "finetuning_type: oft"

_METHOD: Final = {
    "stage": became(
        "sft",
        "training.objective.kind",
        how="pt is pretrain, or sft on texts with packing: false; rm is reward; dpo, orpo and simpo by pref_loss",
    ),
    "finetuning_type": became("lora", "method.kind", how="lora on a quantised base is qlora"),
    "pure_bf16": became(False, "training.compute.precision", how="bf16, with moving weights in fp32"),
    "freeze_trainable_layers": became(2, "method.layers", scope=_FREEZE),
    "freeze_trainable_modules": became("all", "method.modules", kind="names", how="all, or names", scope=_FREEZE),
    "freeze_extra_modules": became(None, "method.extra_modules", kind="names", how="names", scope=_FREEZE),
    "additional_target": became(
        None, "method.modules_to_save", kind="names", how="names", scope="finetuning_type: lora or oft"
    ),
    "lora_alpha": became(None, "method.alpha", kind="float", how="2 x lora_rank where it is not given", scope=_LORA),
    "lora_dropout": became(0.0, "method.dropout", scope=_LORA),
    "lora_rank": became(8, "method.rank", scope=_LORA),
    "lora_target": became("all", "method.targets", kind="names", how="all is all_linear", scope=_LORA),
    "loraplus_lr_ratio": became(None, "method.plus_ratio", kind="float", how="LoRA+", scope=_LORA),
    "loraplus_lr_embedding": equal(1e-6, "adapters stand on linear layers alone, so none is an embedding's"),
    "use_rslora": became(False, "method.rslora", scope=_LORA),
    "use_dora": became(False, "method.dora", scope=_LORA),
    "pissa_init": became(False, "method.init", how="pissa", scope=_LORA),
    "pissa_iter": became(16, "method.pissa_iterations", how="-1 is the exact decomposition", scope="pissa_init"),
    "pissa_convert": equal(False, "a finished pissa adapter is always one for the base as it was"),
    "create_new_adapter": became(
        False, "method.new_adapter", how="with adapter_name_or_path", scope="adapter_name_or_path"
    ),
    "module_dropout": became(0.0, "method.dropout", scope=_OFT),
    "oft_rank": became(0, "method.blocks", how="0 leaves it to oft_block_size", scope=_OFT),
    "oft_block_size": became(32, "method.block_size", how="where oft_rank is 0", scope=_OFT),
    "oft_target": became("all", "method.targets", kind="names", how="all is all_linear", scope=_OFT),
}

_PREFERENCES: Final = {
    "pref_beta": became(0.1, "training.objective.beta", scope="stage: dpo or kto"),
    "pref_ftx": became(0.0, "training.objective.sft_weight", how="with dpo", scope="stage: dpo"),
    "pref_bco_weight": refused(0.0, "the BCO loss is not mixed in", "pref_ftx, or stage: kto"),
    "pref_loss": became(
        "sigmoid",
        "training.objective.loss",
        how="sigmoid, hinge and ipo are losses of dpo; orpo and simpo are objectives",
        scope="stage: dpo",
    ),
    "dpo_label_smoothing": became(
        0.0, "training.objective.label_smoothing", how="with pref_loss: sigmoid", scope="stage: dpo"
    ),
    "kto_chosen_weight": became(1.0, "training.objective.liked_weight", scope="stage: kto"),
    "kto_rejected_weight": became(1.0, "training.objective.disliked_weight", scope="stage: kto"),
    "simpo_gamma": became(0.5, "training.objective.gamma", scope="pref_loss: simpo"),
    "ref_model": became(
        None, "training.objective.reference", kind="text", how="with dpo and kto", scope="stage: dpo or kto"
    ),
    "ref_model_adapters": refused(
        None, "a reference is a whole model", "merge the adapters, and name the folder as ref_model", kind="names"
    ),
    "ref_model_quantization_bit": refused(
        None, "the reference is stored as the trained model is", "leave it out", kind="int"
    ),
    "ld_alpha": refused(
        None, "length-desensitised dpo is not done", "pref_loss: simpo, which divides by length", kind="float"
    ),
    "ppo_buffer_size": equal(1, "of stage: ppo, which is not done here"),
    "ppo_epochs": equal(4, "of stage: ppo, which is not done here"),
    "ppo_score_norm": equal(False, "of stage: ppo, which is not done here"),
    "ppo_target": equal(6.0, "of stage: ppo, which is not done here"),
    "ppo_whiten_rewards": equal(False, "of stage: ppo, which is not done here"),
    "reward_model": refused(None, *_PPO, kind="text"),
    "reward_model_adapters": refused(None, *_PPO, kind="names"),
    "reward_model_quantization_bit": refused(None, *_PPO, kind="int"),
    "reward_model_type": refused("lora", *_PPO),
}

_OPTIMISERS: Final = {
    "use_galore": refused(False, "GaLore is not done", _SMALL),
    **off_with(
        "use_galore",
        galore_target="all",
        galore_rank=16,
        galore_update_interval=200,
        galore_scale=2.0,
        galore_proj_type="std",
        galore_layerwise=False,
    ),
    "use_apollo": refused(False, "APOLLO is not done", _SMALL),
    **off_with(
        "use_apollo",
        apollo_target="all",
        apollo_rank=16,
        apollo_update_interval=200,
        apollo_scale=32.0,
        apollo_proj="random",
        apollo_proj_type="std",
        apollo_scale_type="channel",
        apollo_layerwise=False,
        apollo_scale_front=False,
    ),
    "use_badam": refused(False, "BAdam is not done", "finetuning_type: freeze, or full with optim: adamw_8bit"),
    **off_with(
        "use_badam",
        badam_mode="layer",
        badam_start_block=None,
        badam_switch_mode="ascending",
        badam_switch_interval=50,
        badam_update_ratio=0.05,
        badam_mask_mode="adjacent",
        badam_verbose=0,
    ),
    "use_adam_mini": refused(False, "Adam-mini is not done", "optim: adamw_8bit"),
    "use_muon": refused(False, "Muon is not done", "optim: adamw_torch"),
}

_LOSSES: Final = {
    "use_dft_loss": became(False, "training.objective.loss", how="dft", scope="stage: sft"),
    "use_asft_loss": refused(
        False, "the ASFT loss is not done", "use_dft_loss, or training.objective.loss=module:function"
    ),
    "use_eaft_loss": refused(
        False, "the EAFT loss is not done", "use_dft_loss, or training.objective.loss=module:function"
    ),
    **off_with("use_asft_loss", asft_alpha=0.1),
    **off_with("use_eaft_loss", eaft_alpha=1.0),
}

_REST: Final = {
    "use_llama_pro": refused(False, "layers are not added to the base", "finetuning_type: freeze"),
    "use_mca": refused(False, *_MEGATRON),
    "use_megatron_bridge": refused(False, *_MEGATRON),
    "use_hyper_parallel": refused(False, "HyperParallel is not used", "fsdp: full_shard"),
    **off_with("use_hyper_parallel", hyper_parallel_args=None, hyper_parallel_cp_size=1),
    "freeze_vision_tower": equal(True, _VISION),
    "freeze_multi_modal_projector": equal(True, _VISION),
    "freeze_language_model": refused(
        False, "it would train the sight of a model alone, and Kamerton trains on text alone", "leave it out"
    ),
    "compute_accuracy": equal(False, "kamerton evaluate measures whole answers, not tokens"),
    "disable_shuffling": refused(
        False, "the order of rows is a function of the seed", "leave it out: the same seed gives the same order"
    ),
    "early_stopping_steps": became(
        None,
        "training.early_stopping.patience",
        kind="int",
        how="measurements that are not better by their standard error",
    ),
    "plot_loss": equal(False, "kamerton report draws the curves of every run"),
    "include_effective_tokens_per_second": equal(False, "tokens a second are told at every step"),
}

_SWANLAB: Final = {
    "use_swanlab": refused(False, "SwanLab does not follow runs", "report_to: mlflow, tensorboard or wandb"),
    **off_with(
        "use_swanlab",
        swanlab_project="llamafactory",
        swanlab_workspace=None,
        swanlab_run_name=None,
        swanlab_mode="cloud",
        swanlab_logdir=None,
    ),
    "swanlab_api_key": refused(None, _PRIVATE, "leave it out: SwanLab does not follow runs", kind="text"),
    "swanlab_lark_webhook_url": refused(None, _PRIVATE, "leave it out: SwanLab does not follow runs", kind="text"),
    "swanlab_lark_secret": refused(None, _PRIVATE, "leave it out: SwanLab does not follow runs", kind="text"),
}

_BRIDGE: Final = {
    name: refused(default, *_MEGATRON)
    for name, default in {
        "tensor_model_parallel_size": 1,
        "pipeline_model_parallel_size": 1,
        "expert_model_parallel_size": 1,
        "context_parallel_size": 1,
        "virtual_pipeline_model_parallel_size": None,
        "sequence_parallel": False,
        "recompute_granularity": None,
        "recompute_method": None,
        "recompute_num_layers": None,
        "account_for_embedding_in_pipeline_split": None,
        "account_for_loss_in_pipeline_split": None,
        "bias_activation_fusion": None,
        "apply_rope_fusion": None,
        "masked_softmax_fusion": None,
        "cross_entropy_loss_fusion": None,
        "moe_grouped_gemm": None,
        "moe_token_dispatcher_type": None,
        "calculate_per_token_loss": None,
        "use_distributed_optimizer": True,
        "overlap_param_gather": True,
        "overlap_grad_reduce": True,
        "use_packed_sequences": False,
        "mixed_precision": "bf16_mixed",
        "megatron_pretrained_checkpoint": None,
        "export_hf_on_finish": False,
        "extra_config": None,
    }.items()
}

METHOD_KEYS: Final[dict[str, Key]] = {
    **_METHOD,
    **_PREFERENCES,
    **_OPTIMISERS,
    **_LOSSES,
    **_REST,
    **_SWANLAB,
    **_BRIDGE,
}
