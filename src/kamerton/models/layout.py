"""How the sequences of a batch are laid out for a model: end to end, or padded; found by trying it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch

from kamerton.ground.errors import RecipeError
from kamerton.models.packed import PACKED, Batch, pack, pad
from kamerton.models.token_loss import Head, bare, hidden_states, modes_kept

__all__ = ["Layout", "choose_layout"]

Layout = Literal["packed", "padded"]


def choose_layout(model: Any, head: Head, *, packing: bool = True) -> Layout:
    """The fastest layout in which no sequence sees another, proved on this very model with a few tokens.

    `packed` leaves the model with the attention that packing needs; it generates with it as with its own.

    Args:
        model: a causal model, with its adapter, before it is sharded or wrapped for data parallelism.
        packing: whether end to end is wanted at all.

    Raises:
        RecipeError: what follows a token changes what the model says of it, so that even padding would.
    """
    inner = bare(model)
    if packing and _may_pack(model, inner):
        before = inner.config._attn_implementation
        inner.set_attn_implementation(PACKED)
        if inner.config._attn_implementation == PACKED and _apart(model, head, pack):
            return "packed"
        inner.set_attn_implementation(before)
    if _apart(model, head, lambda ids: pad(ids, filler=ids[0][0])):
        return "padded"
    raise RecipeError(
        f"{type(inner).__name__} is not causal: what follows a token changes what the model says of it",
        where="model.base",
        expected="a causal language model",
    )


def _may_pack(model: Any, inner: Any) -> bool:
    """What a few tokens cannot show: virtual tokens of a tuned prompt, attention in chunks of thousands of tokens."""
    tuned = getattr(model, "active_peft_config", None)
    return (
        bool(getattr(inner, "_supports_attention_backend", False))
        and not (tuned is not None and tuned.is_prompt_learning)
        and not getattr(inner.config.get_text_config(), "attention_chunk_size", None)
    )


@torch.no_grad()
def _apart(model: Any, head: Head, lay_out: Callable[[list[list[int]]], Batch]) -> bool:
    """Whether a sequence says the same whatever stands beside it, and what it says alone."""
    tokens = min(head.vocabulary, 1000)
    probe, *neighbours = ([(place * step + 3) % tokens for place in range(9)] for step in (7, 5, 11))
    with modes_kept(model):
        model.eval()
        try:
            alone, *beside = (
                _said(model, head, lay_out(sequences))
                for sequences in ([probe, probe], *([near, probe, near * 2] for near in neighbours))
            )
        except (RecipeError, TypeError, ValueError):
            return False  # the model's attention or its forward refuses this layout
    precise = alone.dtype in (torch.float32, torch.float64)
    # Other shapes round otherwise; with equal shapes only a mixture of experts does.
    equal, near = (1e-5, 1e-3) if precise else (2e-2, 1e-1)
    scale = float(alone.abs().max())
    return all(_distance(found, alone) <= near * scale for found in beside) and (
        _distance(beside[0], beside[1]) <= equal * scale
    )


def _distance(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first.float() - second.float()).abs().max())


def _said(model: Any, head: Head, batch: Batch) -> torch.Tensor:
    """Hidden states of the second sequence."""
    device = bare(model).device
    inputs = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.inputs.items()
    }
    states = hidden_states(model, head, inputs)
    return states[(batch.sequence == 1).nonzero()[:9, 0]]
