"""Optimisers, and which rate and decay each weight has."""

from __future__ import annotations

from typing import Any

import torch

from kamerton.models.libraries import bitsandbytes
from kamerton.recipe import OptimizerSection

__all__ = ["build_optimizer"]


def build_optimizer(groups: list[dict[str, Any]], options: OptimizerSection) -> torch.optim.Optimizer:
    """An optimiser over groups of weights.

    Args:
        groups: `params` and `lr` of each, as `models.methods.parameter_groups` gives them.
    """
    parted = [part for group in groups for part in _by_decay(group, options.weight_decay)]
    betas, epsilon = (options.beta1, options.beta2), options.epsilon
    match options.kind:
        case "adamw":
            return torch.optim.AdamW(parted, betas=betas, eps=epsilon, fused=True)
        case "adamw_8bit":
            found: torch.optim.Optimizer = bitsandbytes().optim.AdamW8bit(parted, betas=betas, eps=epsilon)
            return found
        case "adafactor":
            # torch's own multiplies the rate by the size of each weight, so that an adapter, which starts at 0, stays.
            from transformers.optimization import Adafactor

            absolute: torch.optim.Optimizer = Adafactor(parted, scale_parameter=False, relative_step=False)
            return absolute
        case "sgd":
            return torch.optim.SGD(parted, momentum=options.beta1)


def _by_decay(group: dict[str, Any], decay: float) -> list[dict[str, Any]]:
    """The group in two: matrices, and norms and biases, which do not decay."""
    matrices = [weight for weight in group["params"] if weight.dim() >= 2]
    vectors = [weight for weight in group["params"] if weight.dim() < 2]
    parts = [(matrices, decay), (vectors, 0.0)]
    return [{**group, "params": weights, "weight_decay": each} for weights, each in parts if weights]
