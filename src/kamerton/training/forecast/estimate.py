"""What a training will need, from its shapes: told before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from kamerton.data.rows import Row
from kamerton.models.methods import apply_method, trainable_parameters
from kamerton.models.load import LoadedModel, load_base, pick_device
from kamerton.models.scratch import create
from kamerton.recipe import Recipe
from kamerton.training.examples import Example
from kamerton.training.objectives import build_objective, head_labels
from kamerton.training.order import plan_steps

__all__ = ["forecast"]

_NONE = Example("", ())
"""Stands for the rows of a recipe whose data cannot be read."""

_PROCESS_BYTES = 600 << 20
"""Resident memory of Python with torch, transformers and peft before any model, measured on Linux."""


def forecast(recipe: Recipe, rows: Sequence[Row], root: Path, weights: Sequence[float] | None = None) -> dict[str, Any]:
    """Steps, tokens, and estimates of peak memory and disk in bytes.

    Args:
        weights: how often an epoch shows each row; None shows each once. Tokens of an epoch are those of an average
            one.

    Memory: fp32 weights, plus gradient and two AdamW moments (12 bytes) for each weight that moves, plus activations
    and logits of one forward pass: about 34 values of the hidden width a token and layer (Korthikanti et al., arXiv
    2205.05198, without the attention matrix, which is never held), and three copies of the logits.
    """
    options = recipe.training
    pick_device(options.compute.device)
    loaded = _scratch(recipe, rows) if recipe.model.architecture else _base(recipe, root, rows)
    apply_method(loaded, recipe.method, seed=options.seed)
    length = min(options.max_length, loaded.context)
    built = build_objective(options, loaded).examples(rows, weights)
    plan = plan_steps(built.examples or [_NONE], options)
    longest = max((example.length for example in built.examples), default=length)
    config = loaded.model.config
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    moving = sum(weight.numel() for weight in trainable_parameters(loaded.model).values())
    tokens = max(options.compute.forward_tokens or 2048, longest)
    per_token = 34 * config.hidden_size * config.num_hidden_layers + 3 * config.vocab_size
    state = 12 * moving
    return {
        "parameters": parameters,
        "trainable": moving,
        "sequences": len(built.examples),
        "tokens_per_epoch": built.tokens,
        "trained_tokens_per_epoch": built.trained_tokens,
        "longest": longest,
        "steps": plan.steps,
        "peak_bytes": _PROCESS_BYTES + 4 * parameters + state + 4 * tokens * per_token,
        "disk_bytes": (options.keep_checkpoints + 1) * (state + 4 * moving),
        "cut_share": (len(built.cut) + len(built.masked)) / max(len(rows), 1)
        if options.objective.kind != "pretrain"
        else 0.0,
    }


def _base(recipe: Recipe, root: Path, rows: Sequence[Row]) -> LoadedModel:
    assert recipe.model.base is not None
    labels = head_labels(recipe.training.objective, rows)
    return load_base(recipe.model.base, root, template=recipe.model.chat_template, device="cpu", labels=labels)


def _scratch(recipe: Recipe, rows: Sequence[Row]) -> LoadedModel:
    """The scratch model with a tokenizer trained on the first rows: near enough for a forecast."""
    assert recipe.model.architecture is not None
    texts = (row.answer for row in rows[:200])
    return create(recipe.name, recipe.model.architecture, texts, seed=0, device=torch.device("cpu"))
