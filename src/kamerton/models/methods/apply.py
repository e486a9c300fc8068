"""From a loaded base to one whose right weights move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from kamerton.ground.errors import RecipeError
from kamerton.models.load import LoadedModel
from kamerton.models.methods.adapters import add_adapter
from kamerton.models.methods.freeze import freeze
from kamerton.models.methods.start import continue_from, merge_into
from kamerton.models.methods.virtual import add_virtual_tokens
from kamerton.recipe import AdapterMethod, FreezeMethod, FullMethod, LoraMethod, Method, VirtualMethod

__all__ = ["apply_method", "parameter_groups", "trainable_parameters"]


def apply_method(loaded: LoadedModel, method: Method, *, seed: int, root: Path = Path()) -> None:
    """Make the weights move that the method names; new weights are a function of the seed.

    Args:
        root: what the paths of `method.start_from` are relative to.

    Raises:
        RecipeError: the model lacks what the method names, or cannot be trained by it.
        StorageError: an adapter to start from is damaged.
    """
    if loaded.quantization and not isinstance(method, AdapterMethod | VirtualMethod):
        raise RecipeError(
            f"weights in {loaded.quantization.kind} cannot be moved",
            where=f"method.kind: {method.kind}",
            mend="set method.kind=qlora, or model.quantization=none",
        )
    if isinstance(method, FullMethod):
        loaded.model.requires_grad_(True)
    elif isinstance(method, FreezeMethod):
        freeze(loaded.model, method)
    elif isinstance(method, VirtualMethod):
        add_virtual_tokens(loaded.model, loaded.tokenizer, method, seed=seed)
    else:
        _adapt(loaded, method, seed, [root / name for name in method.start_from])


def _adapt(loaded: LoadedModel, method: AdapterMethod, seed: int, start: list[Path]) -> None:
    before = start if method.new_adapter else start[:-1]
    for folder in before:
        merge_into(loaded, folder)
    if start and not method.new_adapter:
        loaded.model = continue_from(loaded, start[-1], method)  # type: ignore[assignment]
    else:
        loaded.model = add_adapter(loaded.model, method, seed=seed, head=bool(loaded.labels))  # type: ignore[assignment]


def trainable_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that move, by name, in the model's own order."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def parameter_groups(model: torch.nn.Module, method: Method, learning_rate: float) -> list[dict[str, Any]]:
    """The weights that move, in groups of one learning rate each.

    Returns:
        for each group `names`, `params` in the same order, and `lr`; no group is empty. All rates are multiples of
        `learning_rate`: LoRA+ has a second group, its matrices B (Hayou et al., arXiv 2402.12354).
    """
    ratio = method.plus_ratio if isinstance(method, LoraMethod) else 1.0
    rates: dict[float, dict[str, torch.nn.Parameter]] = {learning_rate: {}}
    for name, weight in trainable_parameters(model).items():
        rate = learning_rate * ratio if ".lora_B." in name else learning_rate
        rates.setdefault(rate, {})[name] = weight
    return [
        {"names": list(group), "params": list(group.values()), "lr": rate} for rate, group in rates.items() if group
    ]
