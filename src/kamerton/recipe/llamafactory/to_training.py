"""How the weights move, what is kept, and who watches."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kamerton.recipe.llamafactory.draft import Draft

__all__ = ["write_training"]

_OPTIMISERS: Final = {
    "adamw_torch": "adamw",
    "adamw_torch_fused": "adamw",
    "adamw_torch_xla": "adamw",
    "adamw_torch_npu_fused": "adamw",
    "adamw_hf": "adamw",
    "paged_adamw": "adamw",
    "paged_adamw_32bit": "adamw",
    "adamw_8bit": "adamw_8bit",
    "adamw_bnb_8bit": "adamw_8bit",
    "paged_adamw_8bit": "adamw_8bit",
    "adafactor": "adafactor",
    "sgd": "sgd",
}
_SCHEDULES: Final = {
    "linear": "linear",
    "cosine": "cosine",
    "constant": "constant",
    "constant_with_warmup": "constant",
    "inverse_sqrt": "inverse_sqrt",
    "cosine_with_min_lr": "cosine",
}
_FOLLOWERS: Final = ("mlflow", "tensorboard", "wandb")
_NO_BOUND: Final = 1e30


def write_training(draft: Draft, processes: int) -> None:
    """`training:`, `tracking:` and the name."""
    asked = draft.request
    _write_name(draft)
    if asked.asks("do_train") and not asked["do_train"]:
        asked.refuse("do_train", "nothing is asked to be trained", "kamerton evaluate MODEL --on SET")
    elif not asked["do_train"]:
        draft.otherwise("", "do_train is not given: LLaMA-Factory would do nothing, kamerton train trains")
    keys = ("per_device_train_batch_size", "gradient_accumulation_steps")
    rows = asked[keys[0]] * asked[keys[1]] * processes
    draft.put("training.batch_size", rows, *keys, note=f"x {processes} processes" if processes > 1 else "")
    if asked["max_steps"] > 0:
        draft.put("training.max_steps", asked["max_steps"], "max_steps")
    _write_optimizer(draft)
    _write_schedule(draft)
    _write_arithmetic(draft)
    _write_measurements(draft)
    _write_checkpoints(draft)
    _write_followers(draft)
    _write_parallel(draft, processes)
    if asked["train_sampling_strategy"] == "sequential":
        asked.refuse("train_sampling_strategy", "the order of rows is a function of the seed", "leave it out")
    if asked["data_seed"] not in (None, asked["seed"]):
        draft.otherwise("data_seed", "the order of rows is drawn from seed as well")


def _write_name(draft: Draft) -> None:
    """`saves/llama3-8b/lora/sft` is the model `llama3-8b-lora-sft`."""
    parts = [part for part in draft.request["output_dir"].split("/") if part not in ("", ".", "..", "saves", "~")]
    name = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(parts))[-64:].strip("._-")
    draft.put("name", name or "model", "output_dir")


def _write_optimizer(draft: Draft) -> None:
    asked = draft.request
    kind = _OPTIMISERS.get(asked["optim"])
    if kind is None:
        return asked.refuse("optim", "not done", "adamw_torch, adamw_8bit, adafactor or sgd")
    draft.put("training.optimizer.kind", kind, "optim")
    if asked["optim"].startswith("paged_"):
        draft.otherwise("optim", "its state stays on the device and is not paged out to the host's memory")
    if kind == "sgd":
        draft.put("training.optimizer.beta1", 0.0, "optim", note="sgd has no momentum there")
    else:
        draft.put("training.optimizer.beta1", asked["adam_beta1"], "adam_beta1")
    norm = asked["max_grad_norm"]
    draft.put("training.optimizer.max_grad_norm", norm if norm > 0 else _NO_BOUND, "max_grad_norm")
    return None


def _write_schedule(draft: Draft) -> None:
    asked = draft.request
    given = asked["lr_scheduler_type"]
    schedule = _SCHEDULES.get(given)
    if schedule is None:
        return asked.refuse("lr_scheduler_type", "not done", "cosine, linear, constant or inverse_sqrt")
    draft.put("training.schedule", schedule, "lr_scheduler_type")
    warmup, keys = _warmup(draft)
    if given == "constant":
        warmup = 0
    if schedule == "inverse_sqrt" and not warmup:
        asked.refuse("lr_scheduler_type", "inverse_sqrt falls from the end of its warm-up", "warmup_steps")
    draft.put("training.warmup_steps", warmup, *keys)
    if warmup:
        draft.otherwise(keys[0], "the first step of the warm-up learns a little; there its rate is 0")
    return _write_floor(draft, given)


def _warmup(draft: Draft) -> tuple[int | float, tuple[str, ...]]:
    """Steps, or a share of all steps; as in transformers 5 a ratio counts where it is given."""
    asked = draft.request
    key = "warmup_ratio" if asked["warmup_ratio"] is not None else "warmup_steps"
    value = asked[key]
    if value < 0:
        asked.refuse(key, "must not be negative")
    if key == "warmup_ratio" and value >= 1:
        asked.refuse(key, "must be below 1", "warmup_steps for a number of steps")
    return (value if 0 < value < 1 else int(value)), (key,)


def _write_floor(draft: Draft, schedule: str) -> None:
    asked = draft.request
    options = _settings(asked["lr_scheduler_kwargs"])
    known = ("min_lr", "min_lr_rate") if schedule == "cosine_with_min_lr" else ()
    if not isinstance(options, dict) or set(options) - set(known) or len(options) > 1:
        return asked.refuse(
            "lr_scheduler_kwargs", f"{schedule} is done without them", "cosine_with_min_lr with min_lr or min_lr_rate"
        )
    if schedule == "cosine_with_min_lr" and not options:
        return asked.refuse("lr_scheduler_type", "it needs lr_scheduler_kwargs", "{min_lr_rate: 0.1}")
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return asked.refuse("lr_scheduler_kwargs", f"{name} must be a number")
        if name == "min_lr" and asked["learning_rate"] <= 0:
            return asked.refuse("learning_rate", "must be above 0")
        share = value / asked["learning_rate"] if name == "min_lr" else float(value)
        keys = ("lr_scheduler_kwargs", "learning_rate") if name == "min_lr" else ("lr_scheduler_kwargs",)
        draft.put("training.min_rate_share", share, *keys)
    return None


def _settings(given: Any) -> Any:
    """Settings as a mapping; like transformers it takes JSON in a text as well."""
    if isinstance(given, str):
        try:
            return json.loads(given)
        except ValueError:
            return given
    return {} if given is None else given


def _write_arithmetic(draft: Draft) -> None:
    asked = draft.request
    if asked["bf16"] or asked["pure_bf16"]:
        draft.put("training.compute.precision", "bf16", "pure_bf16" if asked["pure_bf16"] else "bf16")
        if asked["pure_bf16"]:
            draft.otherwise("pure_bf16", "weights that move and the optimiser's state stay in fp32")
    elif asked["fp16"]:
        draft.otherwise("fp16", "fp16 is not done: the machine decides between bf16 and fp32")
    switches = [key for key in ("gradient_checkpointing", "activation_checkpointing") if asked[key]]
    if switches:
        draft.put("training.compute.gradient_checkpointing", True, *switches)
    elif asked["disable_gradient_checkpointing"]:
        draft.put("training.compute.gradient_checkpointing", False, "disable_gradient_checkpointing")
    else:
        draft.otherwise(
            "",
            "activations are computed again only where memory needs it; LLaMA-Factory does so unless it is told not to",
        )
    if asked["use_cpu"]:
        draft.put("training.compute.device", "cpu", "use_cpu")


def _write_measurements(draft: Draft) -> None:
    asked = draft.request
    strategy = asked["eval_strategy"]
    measured = bool(asked["val_size"] or asked["eval_dataset"])
    if strategy not in ("no", "false", "steps", "epoch"):
        asked.refuse("eval_strategy", "not known", "no, steps or epoch")
    wants = {
        "eval_strategy": strategy in ("steps", "epoch"),
        "load_best_model_at_end": asked["load_best_model_at_end"],
        "early_stopping_steps": asked["early_stopping_steps"],
    }
    for key in (key for key, wanted in wants.items() if wanted and not measured):
        asked.refuse(key, "nothing is held out to measure on", "val_size: 0.1, or eval_dataset")
    if strategy == "steps":
        every = asked["eval_steps"] or asked["logging_steps"]
        if every >= 1:
            draft.put("training.evaluate_every", int(every), "eval_strategy", "eval_steps")
        else:
            draft.otherwise("eval_steps", "a share of the steps is not counted out: once an epoch is measured")
    elif measured and strategy != "epoch":
        draft.otherwise("", "the validation part is measured once an epoch; LLaMA-Factory would leave it alone")
    if asked["load_best_model_at_end"]:
        draft.put("training.finish_with", "best", "load_best_model_at_end")
    if asked["metric_for_best_model"] not in (None, "loss", "eval_loss"):
        asked.refuse("metric_for_best_model", "the validation loss alone chooses", "metric_for_best_model: eval_loss")
    if asked["greater_is_better"]:
        asked.refuse("greater_is_better", "a loss is better when it is lower", "leave it out")
    if asked["early_stopping_steps"] is not None:
        draft.put("training.early_stopping.patience", asked["early_stopping_steps"], "early_stopping_steps")
        draft.otherwise("early_stopping_steps", "a loss that is lower by less than its standard error is not better")


def _write_checkpoints(draft: Draft) -> None:
    asked = draft.request
    strategy, every = asked["save_strategy"], asked["save_steps"]
    if strategy not in ("no", "false", "steps", "epoch", "best"):
        asked.refuse("save_strategy", "not known", "steps")
    elif strategy != "steps":
        draft.otherwise("save_strategy", "checkpoints come every training.checkpoint_every steps, and one at the end")
    elif every >= 1:
        draft.put("training.checkpoint_every", int(every), "save_steps")
    else:
        draft.otherwise("save_steps", "a share of the steps is not counted out: training.checkpoint_every says it")
    if (asked["save_total_limit"] or 0) > 0:
        draft.put("training.keep_checkpoints", asked["save_total_limit"], "save_total_limit")
    else:
        draft.otherwise("", "the two newest checkpoints are kept, and the best; LLaMA-Factory keeps all")


def _write_followers(draft: Draft) -> None:
    asked = draft.request
    names = [name for name in asked["report_to"] if name.lower() != "none"]
    followers: list[Any] = list(_FOLLOWERS) if names == ["all"] else names
    for name in (name for name in followers if name not in _FOLLOWERS):
        asked.refuse("report_to", f"{name} does not follow runs", "mlflow, tensorboard or wandb")
    draft.put("tracking.followers", followers, "report_to")
    if asked.asks("project"):
        draft.put("tracking.experiment", asked["project"], "project")


def _write_parallel(draft: Draft, processes: int) -> None:
    """With one process there is nothing to part, and the same file runs on a laptop."""
    asked = draft.request
    alone = "one process holds everything: start the file with torchrun to part the model"
    fsdp = " ".join(map(str, asked["fsdp"])) if isinstance(asked["fsdp"], list) else str(asked["fsdp"] or "")
    if fsdp.lower() not in ("", "false"):
        if "offload" in fsdp:
            asked.refuse("fsdp", "weights are not kept in the host's memory", "fsdp: full_shard")
        if processes > 1:
            draft.put("training.parallel.strategy", "fsdp2", "fsdp")
        else:
            draft.otherwise("fsdp", alone)
    file = asked["deepspeed"]
    if file in (None, "", False):
        return None
    if not isinstance(file, str):
        return asked.refuse("deepspeed", "its settings stand in a file of their own", "deepspeed: FILE.json")
    if processes > 1:
        draft.put("training.parallel.strategy", "deepspeed", "deepspeed")
        draft.put("training.parallel.deepspeed", file, "deepspeed")
    else:
        draft.otherwise("deepspeed", alone)
    return None
