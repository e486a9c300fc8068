"""PiSSA: the adapter begins as the largest singular vectors of each weight (Meng et al., arXiv 2404.02948).

A weight W becomes a frozen rest R = W - s B0 A0 and an adapter s B A that begins at A0, B0. A finished adapter must
belong to W and not to R, which nobody else has; so it is saved with twice the rank: s [B, -B0] [A; A0] + W. All four
matrices can be taken from it again to the bit, and R with them.
Legend: r rank, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from transformers.pytorch_utils import Conv1D

from kamerton.ground.errors import RecipeError

__all__ = ["begin_with_principal_parts", "doubled", "is_pissa", "restore_rest"]

_FIRST_A, _FIRST_B = "pissa_first_A", "pissa_first_B"
"""Buffers of a layer, no part of its state: what its adapter began as."""


def begin_with_principal_parts(model: PeftModel, iterations: int | None) -> None:
    """Move the principal part of each target from the base into its adapter; the function stays what it was.

    Args:
        iterations: subspace iterations of a fast decomposition (Halko et al., 0909.4061); None takes the exact one.

    Raises:
        RecipeError: a target is no single matrix, as the experts of a mixture that are stored together.
    """
    for name, layer in _layers(model):
        if not isinstance(layer.get_base_layer(), torch.nn.Linear | Conv1D):
            raise RecipeError(
                f"init: pissa takes single matrices apart, and {name} is none",
                where="method.init",
                mend="name the targets: method.targets=[q_proj,v_proj], or set method.init=default",
            )
        weight = _weight(layer).detach().float()
        rank = layer.r["default"]
        if iterations is None:
            left, values, right = torch.linalg.svd(weight, full_matrices=False)
        else:
            left, values, rows = torch.svd_lowrank(weight, rank, niter=iterations)
            right = rows.T
        roots = (values[:rank] / layer.scaling["default"]).sqrt()
        with torch.no_grad():
            layer.lora_A["default"].weight.copy_(roots[:, None] * right[:rank])
            layer.lora_B["default"].weight.copy_(left[:, :rank] * roots)
        _leave_rest(layer)


def restore_rest(model: PeftModel, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the layers the frozen rests that a saved adapter of twice the rank was trained beside.

    Returns:
        the trained adapter's own tensors, under the same names.
    """
    own = dict(tensors)
    for name, layer in _layers(model):
        rank = layer.r["default"]
        a, b = tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]
        with torch.no_grad():
            layer.lora_A["default"].weight.copy_(a[rank:])
            layer.lora_B["default"].weight.copy_(-b[:, rank:])
        _leave_rest(layer)
        own[f"{name}.lora_A.weight"], own[f"{name}.lora_B.weight"] = a[:rank], b[:, :rank]
    return own


def is_pissa(model: PeftModel) -> bool:
    """Whether the adapter began with principal parts."""
    return any(hasattr(layer, _FIRST_A) for _, layer in _layers(model))


def doubled(model: PeftModel, tensors: dict[str, torch.Tensor], config: LoraConfig) -> dict[str, torch.Tensor]:
    """The adapter's tensors for the unchanged base; the configuration gets twice the rank and twice the alpha."""
    own = dict(tensors)
    for name, layer in _layers(model):
        a, b = f"{name}.lora_A.weight", f"{name}.lora_B.weight"
        own[a] = torch.cat([tensors[a], getattr(layer, _FIRST_A).to(tensors[a])])
        own[b] = torch.cat([tensors[b], -getattr(layer, _FIRST_B).to(tensors[b])], dim=1)
    config.r *= 2
    config.lora_alpha *= 2
    return own


def _leave_rest(layer: Any) -> None:
    """Take what the adapter is now out of the frozen weight."""
    a_rI, b_Or = (part["default"].weight.detach().clone() for part in (layer.lora_A, layer.lora_B))
    layer.register_buffer(_FIRST_A, a_rI, persistent=False)
    layer.register_buffer(_FIRST_B, b_Or, persistent=False)
    weight = _weight(layer)
    with torch.no_grad():
        weight.copy_(weight.float() - layer.scaling["default"] * (b_Or @ a_rI))


def _weight(layer: Any) -> torch.Tensor:
    """The frozen weight (O, I)."""
    weight: torch.Tensor = layer.get_base_layer().weight
    return weight.T if layer.fan_in_fan_out else weight


def _layers(model: PeftModel) -> Iterator[tuple[str, Any]]:
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))
