"""Time on a GPU that is not here, from what its maker says of it.

Operations: 2 a weight and token forwards, as many for the gradient of the inputs, as many for that of weights that
move, and attention's own (Kaplan et al., 2001.08361; Korthikanti et al., 2205.05198). What share of a GPU's peak a
training reaches (model-FLOPs utilisation, Chowdhery et al., 2204.02311) is taken as a range.
"""

from __future__ import annotations

import math

from kamerton.recipe import FullMethod, Recipe
from kamerton.training.forecast.amount import Amount
from kamerton.training.forecast.gpus import Gpu
from kamerton.training.forecast.memory import Range
from kamerton.training.forecast.shapes import Shape

__all__ = ["gpu_seconds", "operations"]

_UTILISATION = (0.5, 0.35, 0.2)
"""Of the peak: best, likely, worst."""

_LAUNCH = (0.6e-3, 1.2e-3, 2.5e-3)
"""Seconds a layer and pass, forwards and backwards, for starting its kernels: what small models are bound by."""

_START = (15.0, 30.0, 90.0)
"""Seconds for imports, data and model."""


def operations(recipe: Recipe, shape: Shape, length: float) -> float:
    """Operations of training on one token.

    Args:
        length: mean length of a sequence.
    """
    weights = shape.parameters - shape.embeddings + shape.vocabulary * shape.hidden
    attention = 2 * shape.layers * shape.queries * length
    forward = 2 * weights + attention
    passes = 3.0 if isinstance(recipe.method, FullMethod) else 2.0
    if recipe.training.compute.gradient_checkpointing:
        passes += 1
    return passes * forward


def gpu_seconds(recipe: Recipe, shape: Shape, amount: Amount, gpu: Gpu, moving: int) -> Range | None:
    """The whole run; None for objectives that draw answers, whose time no table tells."""
    options = recipe.training
    if options.objective.kind == "grpo" or not amount.sequences:
        return None
    mean = amount.tokens / amount.sequences
    step = mean * int(options.batch_size)
    limit = options.compute.forward_tokens or 8192
    passes = amount.steps * math.ceil(step / limit)
    # Validation has no backward pass; the reference of dpo and kto is one forward pass over everything.
    forward = amount.judged * amount.validations
    forward += amount.tokens + amount.judged if options.objective.kind in ("dpo", "kto") else 0
    work = operations(recipe, shape, mean) * (amount.seen + forward / 3)
    moved = passes * 3 * 2 * shape.parameters + amount.steps * 24 * moving
    found = []
    for share, launch, start in zip(_UTILISATION, _LAUNCH, _START, strict=True):
        compute = work / (gpu.tflops * 1e12 * share) * (1.3 if recipe.method.kind == "qlora" else 1.0)
        found.append(start + max(compute, moved / (gpu.bandwidth * 1e9), passes * shape.layers * launch))
    return Range(*found)
