"""Training on adapters that the base already has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from peft import PeftModel

from kamerton.ground.digests import digest
from kamerton.ground.errors import RecipeError, StorageError
from kamerton.models.load import LoadedModel
from kamerton.models.methods.folders import attach, read_config
from kamerton.recipe import AdapterMethod, Ia3Method, LoraMethod, OftMethod

__all__ = ["MODEL_FILE", "continue_from", "merge_into"]

MODEL_FILE = "kamerton.json"
"""Beside a finished model: which base it belongs to."""


def merge_into(loaded: LoadedModel, folder: Path) -> None:
    """Merge the adapter of a folder into the base.

    Raises:
        RecipeError: the base is quantised, or the adapter belongs to another one.
        StorageError: the adapter is damaged.
    """
    if loaded.quantization:
        raise RecipeError(
            f"an adapter cannot be merged into weights in {loaded.quantization.kind} without loss",
            where=f"method.start_from: {folder}",
            mend="set model.quantization=none",
        )
    _check_base(loaded, folder)
    model: Any = attach(loaded.model, folder)
    loaded.model = model.merge_and_unload()
    loaded.start = (*loaded.start, folder)


def continue_from(loaded: LoadedModel, folder: Path, method: AdapterMethod) -> PeftModel:
    """The base with the adapter of a folder, ready to be trained on.

    Raises:
        RecipeError: it belongs to another base, or is of another kind or size than the recipe says.
        StorageError: it is damaged.
    """
    _check_base(loaded, folder)
    config: Any = read_config(folder)
    said = _shape_of(method)
    found = {name: _listed(getattr(config, name, None)) for name in said}
    if config.peft_type.value != _KINDS[type(method)] or said != found:
        raise RecipeError(
            f"the adapter to train on is {config.peft_type.value} with {_told(found)}, and the recipe says "
            f"{_KINDS[type(method)]} with {_told(said)}",
            where=f"method.start_from: {folder}",
            mend="give the recipe what the adapter has, or set method.new_adapter=true",
        )
    return attach(loaded.model, folder, trainable=True, dropout=getattr(method, "dropout", 0.0))


_KINDS = {LoraMethod: "LORA", Ia3Method: "IA3", OftMethod: "OFT"}


def _shape_of(method: AdapterMethod) -> dict[str, Any]:
    """What of an adapter's configuration the recipe says too, in the words of peft."""
    said: dict[str, Any] = {}
    if isinstance(method, LoraMethod):
        alpha = method.alpha if method.alpha is not None else 2.0 * method.rank
        said = {"r": method.rank, "lora_alpha": alpha, "use_rslora": method.rslora, "use_dora": method.dora}
    elif isinstance(method, OftMethod) and (method.block_size or method.blocks):
        said = {"oft_block_size": method.block_size or 0, "r": method.blocks or 0}
    if isinstance(method.targets, list):
        said["target_modules"] = sorted(method.targets)
    if method.modules_to_save:
        said["modules_to_save"] = sorted(method.modules_to_save)
    return said


def _listed(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | list) else value


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "its own settings"


def _check_base(loaded: LoadedModel, folder: Path) -> None:
    """An adapter of ours names its base by digest; one of another tool cannot be checked."""
    try:
        about = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        belongs = about["base_digest"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError("not a finished model", where=str(folder), expected=f"a whole {MODEL_FILE}") from error
    if loaded.files is None or belongs != digest(loaded.files.weights):
        raise RecipeError(
            "the adapter was trained on another base",
            where=f"method.start_from: {folder}",
            expected=f"model.base: {about.get('base', '')}",
        )
