"""A finished model's folder: its weights, what they belong to, and how they become a model again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.files import confined, storage_errors, write_text
from kamerton.models.load import LoadedModel, load_base, load_folder, pick_device
from kamerton.models.locate import BaseFiles
from kamerton.models.methods.apply import trainable_parameters
from kamerton.models.methods.folders import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    attach,
    read_config,
    write_adapter,
    write_config,
)
from kamerton.models.methods.pissa import is_pissa
from kamerton.models.methods.start import MODEL_FILE, merge_into
from kamerton.models.methods.virtual import attach_prompt, finished_prompt, virtual_encoder
from kamerton.models.quantize import Quantization
from kamerton.models.tensors import read_tensors, write_tensors
from kamerton.recipe import FreezeMethod, FullMethod, Method

__all__ = ["WEIGHTS", "load_finished", "merged", "save_finished"]

_FULL, _MOVED = "model.safetensors", "moved.safetensors"
_ADAPTERS = ("lora", "qlora", "ia3", "oft")
_VIRTUAL = ("prompt", "prefix", "p_tuning")
_PROMPT = "prompt_embeddings"
"""The one tensor of virtual tokens, by the name that peft gives it."""

WEIGHTS = {"full": _FULL, "freeze": _MOVED} | dict.fromkeys((*_ADAPTERS, *_VIRTUAL), ADAPTER_WEIGHTS)
"""The weights file of a finished model, by method."""


def save_finished(loaded: LoadedModel, method: Method, folder: Path) -> None:
    """Write the finished model: weights, configuration, tokenizer, template, and which base it belongs to.

    `load_finished` gives the same function to the bit, unless full weights were asked to be rounded. Tied weights are
    stored once.

    Raises:
        StorageError: the disk is full or the folder may not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model: Any = loaded.model
    base_name = loaded.files.name if loaded.files else ""
    about: dict[str, Any] = {
        "base": base_name,
        "base_digest": digest(loaded.files.weights) if loaded.files else "",
        "method": method.kind,
        "quantization": loaded.quantization.document() if loaded.quantization else None,
        "template": loaded.template,
    }
    if loaded.labels:
        about["labels"] = list(loaded.labels)
    if isinstance(method, FullMethod):
        _save_full(model, method, folder)
    elif isinstance(method, FreezeMethod):
        moved = {name: weight.detach().cpu().contiguous() for name, weight in trainable_parameters(model).items()}
        write_tensors(moved, folder / _MOVED)
        about["moved"] = sorted(moved)
    elif virtual_encoder(model) is not None:
        config, values = finished_prompt(model, base_name)
        write_config(config, folder)
        write_tensors({_PROMPT: values}, folder / ADAPTER_WEIGHTS)
    else:
        write_adapter(model, folder, base_name)
        about["pissa"] = is_pissa(model)
        about["start"] = [_keep(start, folder, number) for number, start in enumerate(loaded.start)]
    if loaded.template != "tokenizer":
        loaded.tokenizer.chat_template = loaded.format.template  # what other programs will ask the tokenizer for
    loaded.tokenizer.save_pretrained(folder)
    write_text(folder / MODEL_FILE, canonical_json(about) + "\n")


def _save_full(model: Any, method: FullMethod, folder: Path) -> None:
    dtype = torch.bfloat16 if method.save_precision == "bf16" else torch.float32
    model.config.dtype = str(dtype).removeprefix("torch.")
    model.config.architectures = [type(model).__name__]  # other tools choose the class by it
    model.config.save_pretrained(folder)
    if getattr(model, "generation_config", None) is not None:  # a model with a classification head has none
        model.generation_config.save_pretrained(folder)
    seen: set[int] = set()
    weights = {}
    for name, weight in model.state_dict().items():
        if weight.data_ptr() not in seen:
            seen.add(weight.data_ptr())
            weights[name] = weight.detach().to("cpu", dtype).contiguous()
    write_tensors(weights, folder / _FULL)


def _keep(start: Path, folder: Path, number: int) -> str:
    """Copy an adapter that was merged into the base: the finished one belongs to that base."""
    name = f"start-{number}"
    with storage_errors(folder):
        (folder / name).mkdir()
        for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(start / file, folder / name / file)
    return name


def load_finished(folder: Path, root: Path, *, device: str = "auto") -> LoadedModel:
    """Load the model folder of a finished run: what the training left, to the bit.

    An adapter of a quantised base gets the base quantised as it was.

    Raises:
        StorageError: the folder is damaged, or the base has other bytes than those that were trained on.
    """
    about = _about(folder)
    if about["method"] == "full":
        files = BaseFiles(folder.parent.name, folder)
        loaded = load_folder(files, about["template"], pick_device(device), labels=about["labels"])
    else:
        loaded = _on_base(folder, root, device, about)
    loaded.model.requires_grad_(False)
    loaded.model.eval()
    loaded.name = folder.parent.name
    return loaded


def _on_base(folder: Path, root: Path, device: str, about: dict[str, Any]) -> LoadedModel:
    """The base that a finished model belongs to, with what was trained on it."""
    loaded = load_base(
        about["base"],
        root,
        template=about["template"],
        device=device,
        quantization=about["quantization"],
        labels=about["labels"],
    )
    assert loaded.files is not None
    if digest(loaded.files.weights) != about["base_digest"]:
        raise StorageError(
            "the base model has other weights than the adapter was trained on",
            where=about["base"],
            mend="restore the base model, or train the recipe again",
        )
    if about["method"] == "freeze":
        _move(loaded.model, folder, about["moved"])
    elif about["method"] in _VIRTUAL:
        _attach_prompt(loaded, folder)
    else:
        for start in about["start"]:
            merge_into(loaded, confined(folder, start))
        loaded.model = attach(loaded.model, folder, pissa=about["pissa"])  # type: ignore[assignment]
    return loaded


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        if not isinstance(about, dict) or not {"base", "base_digest", "method", "template"} <= about.keys():
            raise ValueError("not the document of a model")
        if about["method"] not in WEIGHTS:
            raise ValueError(f"unknown method {about['method']!r}")
        without: dict[str, Any] = {"quantization": None, "labels": [], "pissa": False, "start": [], "moved": []}
        about = without | about
        about["quantization"] = Quantization(**about["quantization"]) if about["quantization"] else None
        about["labels"] = tuple(about["labels"])
        return about
    except (OSError, ValueError, TypeError) as error:
        raise StorageError("not a finished model", where=str(folder), expected=f"{MODEL_FILE} inside") from error


def _move(model: torch.nn.Module, folder: Path, names: list[str]) -> None:
    if not (folder / _MOVED).is_file():
        raise StorageError("the moved weights are not there", where=str(folder), expected=f"{_MOVED} inside")
    saved = read_tensors(folder / _MOVED)
    places = dict(model.named_parameters())
    wanted = {name: places[name].shape if name in places else None for name in names}
    if wanted != {name: tensor.shape for name, tensor in saved.items()}:
        raise StorageError("the moved weights do not fit the base or are not whole", where=str(folder))
    with torch.no_grad():
        for name, tensor in saved.items():
            places[name].copy_(tensor)


def _attach_prompt(loaded: LoadedModel, folder: Path) -> None:
    config: Any = read_config(folder)
    saved = read_tensors(folder / ADAPTER_WEIGHTS)
    fault = "" if set(saved) == {_PROMPT} else f"tensors {sorted(saved)}"
    if not fault:
        fault = attach_prompt(loaded.model, config, saved[_PROMPT])
    if fault:
        raise StorageError(f"the virtual tokens do not fit their configuration: {fault}", where=str(folder))


def merged(loaded: LoadedModel) -> LoadedModel:
    """The same function as plain weights, without an adapter; the model that is given is used up.

    Raises:
        RequestError: the method has no such form, or the base is quantised.
    """
    if virtual_encoder(loaded.model) is not None:
        raise RequestError(
            "virtual tokens are no part of any weight and cannot be merged",
            where=loaded.name,
            expected="a model trained with lora, ia3 or oft",
        )
    if loaded.quantization:
        raise RequestError(
            f"an adapter cannot be merged into weights in {loaded.quantization.kind} without loss",
            where=loaded.name,
            expected="a base that is not quantised",
        )
    if isinstance(loaded.model, PeftModel):
        model: Any = loaded.model
        loaded.model = model.merge_and_unload()
    return loaded
