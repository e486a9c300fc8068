"""Which weights of a model move, and how they are saved."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import RecipeError
from kamerton.ground.files import write_text
from kamerton.models.load import ADAPTER_WEIGHTS, MODEL_FILE, LoadedModel, adapter_name
from kamerton.models.tensors import write_tensors
from kamerton.recipe import FullMethod, LoraMethod, Method

__all__ = ["WEIGHTS", "apply_method", "save_finished", "trainable_parameters"]

WEIGHTS = {"lora": ADAPTER_WEIGHTS, "full": "model.safetensors"}
"""The weights file of a finished model, by method."""


def apply_method(loaded: LoadedModel, method: Method, *, seed: int) -> None:
    """Make the weights move that the method names; new weights are a function of the seed.

    Raises:
        RecipeError: `method.targets` names no linear layer of this model.
    """
    if isinstance(method, FullMethod):
        loaded.model.requires_grad_(True)
        return
    torch.manual_seed(seed)
    loaded.model = get_peft_model(loaded.model, _lora_config(loaded, method))  # type: ignore[assignment]


def _lora_config(loaded: LoadedModel, method: LoraMethod) -> LoraConfig:
    targets: str | list[str] = "all-linear"
    if method.targets != "all_linear":
        targets = list(method.targets)
        linear = {
            name.rsplit(".", 1)[-1]
            for name, module in loaded.model.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        unknown = sorted(set(targets) - linear)
        if unknown:
            raise RecipeError(
                f"the model has no linear layer {', '.join(unknown)}",
                where="method.targets",
                expected=f"some of: {', '.join(sorted(linear))}",
            )
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha if method.alpha is not None else 2.0 * method.rank,  # type: ignore[arg-type]
        lora_dropout=method.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def trainable_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that move, by name, in the model's own order."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def save_finished(loaded: LoadedModel, method: Method, folder: Path) -> None:
    """Write the finished model: weights, configuration, tokenizer, template, and which base it belongs to.

    Full weights are stored in bf16 with tied weights once; adapters in fp32 (they are small and exact).

    Raises:
        StorageError: the disk is full or the folder may not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    base_digest = digest(loaded.files.weights()) if loaded.files else ""
    base_name = loaded.files.name if loaded.files else ""
    if isinstance(loaded.model, PeftModel):
        weights = {
            adapter_name(name): weight.detach().cpu().contiguous()
            for name, weight in trainable_parameters(loaded.model).items()
        }
        config = loaded.model.peft_config["default"]
        document = {key: value for key, value in config.to_dict().items() if value is not None}
        document |= {"base_model_name_or_path": base_name, "inference_mode": True}
        document["target_modules"] = sorted(document.get("target_modules", []))
        write_text(folder / "adapter_config.json", json.dumps(document, indent=2, sort_keys=True, default=str) + "\n")
    else:
        weights = _full_weights(loaded.model)
        loaded.model.config.dtype = "bfloat16"
        loaded.model.config.architectures = [type(loaded.model).__name__]  # other tools choose the class by it
        loaded.model.config.save_pretrained(folder)
        if loaded.model.generation_config is not None:
            loaded.model.generation_config.save_pretrained(folder)
    write_tensors(weights, folder / WEIGHTS[method.kind])
    loaded.tokenizer.save_pretrained(folder)
    about = {"base": base_name, "base_digest": base_digest, "method": method.kind, "template": loaded.template}
    write_text(folder / MODEL_FILE, canonical_json(about) + "\n")


def _full_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    seen: set[int] = set()
    weights = {}
    for name, weight in model.state_dict().items():
        if weight.data_ptr() not in seen:
            seen.add(weight.data_ptr())
            weights[name] = weight.detach().to("cpu", torch.bfloat16).contiguous()
    return weights
