"""Every key that LLaMA-Factory 0.9.5 and transformers' Seq2SeqTrainingArguments accept, each with one fate."""

from __future__ import annotations

from typing import Final

from kamerton.recipe.llamafactory.data_keys import DATA_KEYS
from kamerton.recipe.llamafactory.fates import Key
from kamerton.recipe.llamafactory.method_keys import METHOD_KEYS
from kamerton.recipe.llamafactory.model_keys import MODEL_KEYS
from kamerton.recipe.llamafactory.trainer_keys import OLD_NAMES, TRAINER_KEYS

__all__ = ["KEYS", "MARKS", "OLD_NAMES", "V1_KEYS"]

KEYS: Final[dict[str, Key]] = {**MODEL_KEYS, **DATA_KEYS, **METHOD_KEYS, **TRAINER_KEYS}

MARKS: Final = ("model_name_or_path", "stage", "finetuning_type")
"""One of these at the top makes a file LLaMA-Factory's."""

V1_KEYS: Final = (
    "model_class",
    "init_config",
    "peft_config",
    "kernel_config",
    "quant_config",
    "train_dataset",
    "micro_batch_size",
    "global_batch_size",
    "batching_strategy",
    "batching_workers",
    "enable_activation_checkpointing",
    "dist_config",
    "optim_config",
    "lr_scheduler_config",
    "save_ckpt_as_hf",
    "save_epochs",
    "sample_backend",
)
"""Keys of its V1 schema that the older one has not."""
