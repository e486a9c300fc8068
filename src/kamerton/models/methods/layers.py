"""The linear layers of a model, beside which adapters stand."""

from __future__ import annotations

import math

import torch
from transformers.pytorch_utils import Conv1D

from kamerton.ground.errors import RecipeError

__all__ = ["check_saved_modules", "check_targets", "common_divisor", "targeted", "transposed"]


def targeted(model: torch.nn.Module, targets: list[str] | str) -> list[torch.nn.Module]:
    """The linear layers whose names end with one of the targets; every one but the head for a word."""
    if isinstance(targets, str):
        heads = (model.get_output_embeddings(), getattr(model, "score", None))  # type: ignore[operator]
        return [layer for layer in _linear(model).values() if not any(layer is head for head in heads)]
    return [layer for name, layer in _linear(model).items() if any(_ends(name, target) for target in targets)]


def _linear(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """By name: `Linear`, its quantised kinds, and the `Conv1D` of GPT-2, which stores its weight transposed."""
    return {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D)}


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def check_targets(model: torch.nn.Module, targets: list[str]) -> None:
    """Refuse targets that name no linear layer.

    Raises:
        RecipeError: with the names that there are.
    """
    names = list(_linear(model))
    unknown = sorted(target for target in set(targets) if not any(_ends(name, target) for name in names))
    if unknown:
        known = sorted({name.rsplit(".", 1)[-1] for name in names})
        raise RecipeError(
            f"the model has no linear layer {', '.join(unknown)}",
            where="method.targets",
            expected=f"some of: {', '.join(known)}",
        )


def check_saved_modules(model: torch.nn.Module, wanted: list[str], *, can_tie: bool) -> bool:
    """Refuse modules to save that are not there.

    Args:
        can_tie: whether the method can keep two modules that share a weight together.

    Returns:
        whether one of them shares its weight with another module.

    Raises:
        RecipeError: with the names that there are, or the way around a shared weight.
    """
    modules = {name.rsplit(".", 1)[-1]: module for name, module in model.named_modules() if name}
    own = {name for name, module in modules.items() if next(module.parameters(recurse=False), None) is not None}
    unknown = sorted(set(wanted) - own)
    if unknown:
        raise RecipeError(
            f"the model has no module {', '.join(unknown)} with weights of its own",
            where="method.modules_to_save",
            expected=f"some of: {', '.join(sorted(own))}",
        )
    tied = getattr(model, "all_tied_weights_keys", {})
    shared = {key.rsplit(".", 2)[-2] for pair in tied.items() for key in pair} & set(wanted)
    if shared and not can_tie:
        raise RecipeError(
            f"{', '.join(sorted(shared))} shares its weight with another module, and they would part",
            where="method.modules_to_save",
            mend="take method.kind=lora, which keeps them together, or leave modules_to_save out",
        )
    return bool(shared)


def transposed(layers: list[torch.nn.Module]) -> bool:
    """Whether the layers store their weights as (inputs, outputs)."""
    return any(isinstance(layer, Conv1D) for layer in layers)


def common_divisor(layers: list[torch.nn.Module]) -> int:
    """The greatest common divisor of the layers' numbers of inputs."""
    return math.gcd(*(int(layer.nx if isinstance(layer, Conv1D) else layer.in_features) for layer in layers))  # type: ignore[arg-type]
