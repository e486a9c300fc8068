"""Adapters in files: the two of peft, `adapter_config.json` and `adapter_model.safetensors`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict

from kamerton.ground.errors import RecipeError, StorageError
from kamerton.ground.files import write_text
from kamerton.models.methods.adapters import wrap
from kamerton.models.methods.pissa import doubled, is_pissa, restore_rest
from kamerton.models.tensors import read_tensors, write_tensors

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS", "attach", "read_config", "write_adapter", "write_config"]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_KNOWN = ("LORA", "IA3", "OFT", "PROMPT_TUNING", "PREFIX_TUNING")
"""Kinds of adapters, by the names that peft gives them."""
_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""First weights of an adapter that belongs to another base than the published one, unless it was converted."""


def read_config(folder: Path) -> PeftConfig:
    """The configuration of an adapter in a folder.

    Raises:
        StorageError: there is none, it cannot be read, or it is of a kind that is not done here.
    """
    if not (folder / ADAPTER_CONFIG).is_file() or not (folder / ADAPTER_WEIGHTS).is_file():
        raise StorageError(
            "the adapter is not there", where=str(folder), expected=f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} inside"
        )
    try:
        kind = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["peft_type"]
        if kind not in _KNOWN:
            raise StorageError(
                f"an adapter of the kind {kind} is not done here",
                where=str(folder),
                expected=f"one of: {', '.join(_KNOWN)}",
            )
        config: PeftConfig = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"the adapter cannot be read: {error}", where=str(folder)) from error
    init = str(getattr(config, "init_lora_weights", ""))
    if init.startswith(_CHANGE_THE_BASE):
        raise StorageError(
            f"the adapter began as {init} and belongs to a changed base",
            where=str(folder),
            expected="an adapter that was converted for the published base",
            mend="save it again with peft's save_pretrained(..., path_initial_model_for_weight_conversion=...)",
        )
    return config


def attach(base: Any, folder: Path, *, trainable: bool = False, dropout: float = 0.0, pissa: bool = False) -> PeftModel:
    """The base with the adapter of a folder in its layers; every tensor of it must be there and fit.

    Args:
        dropout: of the training to come; that of the training before is over.
        pissa: the folder holds an adapter of twice the rank that was trained beside a rest of the base.

    Raises:
        StorageError: the adapter cannot be read, or does not fit its configuration or this base.
    """
    config: Any = read_config(folder)
    if pissa:
        config.r //= 2
        config.lora_alpha /= 2
    config.inference_mode = not trainable
    for name in ("lora_dropout", "module_dropout"):
        if hasattr(config, name):
            setattr(config, name, dropout)
    config.base_model_name_or_path = None
    try:
        model = wrap(base, config)
    except RecipeError as error:
        raise StorageError(f"the adapter does not fit this model: {error.what}", where=str(folder)) from error
    tensors = read_tensors(folder / ADAPTER_WEIGHTS)
    _check_shapes(_tensors(model), tensors, folder, factor=2 if pissa else 1)
    if pissa:
        tensors = restore_rest(model, tensors)
    set_peft_model_state_dict(model, tensors)
    return model


def _check_shapes(
    expected: dict[str, torch.Tensor], saved: dict[str, torch.Tensor], folder: Path, *, factor: int
) -> None:
    def shape(name: str, tensor: torch.Tensor) -> tuple[int, ...]:
        inner = {"lora_A": 0, "lora_B": 1}.get(name.rsplit(".", 2)[-2]) if factor > 1 else None
        return tuple(size * factor if place == inner else size for place, size in enumerate(tensor.shape))

    wanted = {name: shape(name, tensor) for name, tensor in expected.items()}
    there = {name: tuple(tensor.shape) for name, tensor in saved.items()}
    if wanted != there:
        names = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        raise StorageError(
            f"the adapter's weights do not fit its configuration ({len(names)}): {', '.join(names[:3])}",
            where=str(folder),
        )


def _tensors(model: PeftModel) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return tensors


def write_adapter(model: PeftModel, folder: Path, base_name: str) -> None:
    """Write the adapter as peft would; one that began as PiSSA is written for the unchanged base."""
    config = type(model.peft_config["default"]).from_peft_type(**model.peft_config["default"].to_dict())
    tensors = _tensors(model)
    if is_pissa(model):
        tensors = doubled(model, tensors, config)
    config.base_model_name_or_path = base_name
    write_config(config, folder)
    # Copies, because tied modules share one tensor, which a file cannot.
    write_tensors({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}, folder / ADAPTER_WEIGHTS)


def write_config(config: PeftConfig, folder: Path) -> None:
    """Write the configuration in an order that does not depend on the process."""
    document = {key: value for key, value in config.to_dict().items() if value is not None}
    document["inference_mode"] = True
    write_text(folder / ADAPTER_CONFIG, json.dumps(document, indent=2, sort_keys=True, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
