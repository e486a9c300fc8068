"""Forward passes without padding: the sequences of a batch stand end to end in one row, and none sees another.

Everything but attention works on single tokens, so that only attention has to know where a sequence begins. It is
told by the field's own keywords (`cu_seq_lens_q`, `max_length_q`), which every model that supports transformers'
attention interface hands down to its layers. Position ids restart at 0 with each sequence.

Shapes: N tokens of the row, B sequences, T longest sequence, H attention heads, D head size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from kamerton.chat import IGNORED
from kamerton.ground.errors import RecipeError
from kamerton.models.processor_attention import EachSequence

__all__ = ["GRID", "PACKED", "Batch", "Tokens", "pack", "pad"]

PACKED = "kamerton_packed"
"""The name of this attention in a model's configuration: `model.set_attn_implementation(PACKED)`."""

GRID = 128
"""Rows, and the positions that reach the head, are rounded up to a multiple of this many tokens."""

_WIDTH_GRID = 16
"""The same for padded rows."""

Tokens = Sequence[int] | NDArray[np.integer[Any]]
"""Token ids, or labels, of one sequence."""


class Batch(NamedTuple):
    """What a forward pass takes, and what is asked of each of its positions."""

    inputs: dict[str, Any]
    """Keywords of the model's forward."""
    targets: torch.Tensor
    """The next token of each position of the flattened batch (int64), `IGNORED` where nothing is trained."""
    sequence: torch.Tensor
    """Which sequence each position belongs to (int64)."""


def pack(ids: Sequence[Tokens], labels: Sequence[Tokens] | None = None) -> Batch:
    """Sequences end to end in one row, for a model whose attention is `PACKED`.

    A filler of its own, counted as one more sequence, rounds the row up: matrix kernels are made for a shape, and a
    new shape with every batch costs a processor a sixth of its speed and hundreds of megabytes.

    Args:
        ids: tokens of each sequence; none may be empty.
        labels: as long as `ids`, unshifted, `IGNORED` where a token is not trained; None trains every token.
    """
    filler = -sum(_lengths(ids)) % GRID
    added = [np.zeros(filler, dtype=np.int64)] if filler else []
    sequences = [*ids, *added]
    lengths = [len(tokens) for tokens in sequences]
    ends = np.cumsum(lengths)
    bounds = torch.from_numpy(np.concatenate(([0], ends)).astype(np.int32))
    positions = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    inputs = {
        "input_ids": _row(sequences)[None],
        "position_ids": torch.from_numpy(positions)[None],
        "cu_seq_lens_q": bounds,
        "cu_seq_lens_k": bounds,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
        "use_cache": False,
    }
    # A position's target is the label that follows; the last one of a sequence has none.
    targets = torch.roll(_row([*(labels or ids), *added]), -1)
    targets[ends - 1] = IGNORED
    targets[int(ends[-1]) - filler :] = IGNORED
    return Batch(inputs, targets, torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths)))


def pad(ids: Sequence[Tokens], filler: int, labels: Sequence[Tokens] | None = None) -> Batch:
    """Right-padded rows (B, T), for a model that cannot be packed. No mask: what comes later changes no causal model.

    Args:
        filler: the token that fills up; any one would do.
    """
    longest = max(_lengths(ids))
    shape = len(ids), longest + -longest % _WIDTH_GRID
    rows, targets = np.full(shape, filler), np.full(shape, IGNORED)
    for place, (tokens, learned) in enumerate(zip(ids, labels or ids, strict=True)):
        rows[place, : len(tokens)] = tokens
        targets[place, : len(tokens) - 1] = learned[1:]
    inputs = {"input_ids": torch.from_numpy(rows), "use_cache": False}
    sequence = torch.from_numpy(np.repeat(np.arange(shape[0]), shape[1]))
    return Batch(inputs, torch.from_numpy(targets).flatten(), sequence)


def _lengths(ids: Sequence[Tokens]) -> list[int]:
    lengths = [len(tokens) for tokens in ids]
    assert min(lengths, default=0) > 0, "a batch has sequences, and each has tokens"
    return lengths


def _row(sequences: Sequence[Tokens]) -> torch.Tensor:
    """All of them end to end, in int64."""
    return torch.from_numpy(np.concatenate([np.asarray(tokens, dtype=np.int64) for tokens in sequences]))


# -- attention -------------------------------------------------------------------------------------------------------
def _packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention of (B, H, N, D) within the sequences of `cu_seq_lens_q`; without it, of each whole row.

    Returns:
        the output (B, N, H, D).

    Raises:
        RecipeError: a bias, a sink or a mask of the model's own, which this attention does not know.
    """
    unknown = [name for name in ("position_bias", "s_aux", "sinks", "cache") if others.get(name) is not None]
    window = sliding_window
    if attention_mask is not None and attention_mask.ndim == 0:
        window, attention_mask = int(attention_mask), None  # the layer's window, see `_packed_mask`
    if attention_mask is not None and cu_seq_lens_q is not None:
        unknown.append("a mask of the model's own")
    causal = others.get("is_causal")
    if unknown or not (getattr(module, "is_causal", True) if causal is None else causal):
        raise RecipeError(
            f"packed attention does not know {', '.join(unknown) or 'attention that is not causal'}",
            where=type(module).__name__,
            mend="set training.compute.packing=false",
        )
    if attention_mask is not None or query.shape[2] != key.shape[2]:
        return _masked(module, query, key, value, attention_mask, (scaling, softcap, dropout)), None
    if torch.is_autocast_enabled(query.device.type):
        query, key, value = (x.to(torch.get_autocast_dtype(x.device.type)) for x in (query, key, value))
    if window is not None and window >= (others.get("max_length_q") or query.shape[2]):
        window = None
    bounds = _bounds(cu_seq_lens_q, query)
    simple = softcap is None and not dropout
    if simple and query.is_cuda and cu_seq_lens_q is not None and query.dtype in (torch.float16, torch.bfloat16):
        return _flash(query, key, value, cu_seq_lens_q, int(others["max_length_q"]), scaling, window), None
    if simple and query.device.type == "cpu" and window is None and query.shape[-1] == value.shape[-1]:
        out: torch.Tensor = EachSequence.apply(query, key, value, bounds, scaling)  # type: ignore[no-untyped-call]
        return out, None
    return _composed(query, key, value, bounds, window, (scaling, softcap, dropout)), None


def _bounds(cu_seq_lens: torch.Tensor | None, query: torch.Tensor) -> list[tuple[int, int]]:
    """Where each sequence of the row begins and ends."""
    if cu_seq_lens is None:
        return [(0, query.shape[2])]
    bounds: list[int] = cu_seq_lens.tolist()
    assert bounds[-1] == query.shape[2], "the lengths are those of this row"
    return list(pairwise(bounds))


def _masked(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    options: tuple[float | None, float | None, float],
) -> torch.Tensor:
    """Not packed after all: generation with a cache, or a padded batch with its mask."""
    scaling, softcap, dropout = options
    if softcap is None:
        out, _ = sdpa_attention_forward(module, query, key, value, mask, dropout=dropout, scaling=scaling)
        return out
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    return _soft_capped(query, key, value, mask, (scaling, softcap, dropout)).transpose(1, 2).contiguous()


def _composed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: list[tuple[int, int]],
    window: int | None,
    options: tuple[float | None, float | None, float],
) -> torch.Tensor:
    """Sequence by sequence under autograd, for a sliding window, soft-capped scores (Gemma 2) or dropout."""
    scaling, softcap, dropout = options
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    parts = []
    for begin, end in bounds:
        q, k, v = (x[:, :, begin:end] for x in (query, key, value))
        seen = _seen(end - begin, window, query.device) if softcap is not None or window is not None else None
        if softcap is not None:
            parts.append(_soft_capped(q, k, v, seen, (scaling, softcap, dropout)))
        else:
            parts.append(
                scaled_dot_product_attention(
                    q, k, v, attn_mask=seen, is_causal=seen is None, scale=scaling, dropout_p=dropout
                )
            )
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()


def _seen(tokens: int, window: int | None, device: torch.device) -> torch.Tensor:
    """Mask (T, T): a token sees itself and what comes before it, `window` tokens in all."""
    causal = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril()
    return causal if window is None else causal.triu(1 - window)


def _soft_capped(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    seen: torch.Tensor | None,
    options: tuple[float | None, float, float],
) -> torch.Tensor:
    """Attention whose scores s become cap * tanh(s / cap) before the softmax (Gemma 2, arXiv 2408.00118)."""
    scaling, softcap, dropout = options
    scores = query @ key.transpose(2, 3) * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap
    if seen is not None:
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    shares = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    return torch.dropout(shares, dropout, train=True) @ value


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_lens: torch.Tensor,
    longest: int,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """torch's own flash attention for sequences of any lengths, on a CUDA GPU in half precision."""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    seen = (-1 if window is None else window - 1, 0)
    out = varlen_attn(
        q, k, v, cu_seq_lens, cu_seq_lens, longest, longest, scale=scaling, window_size=seen, enable_gqa=True
    )
    assert isinstance(out, torch.Tensor)
    return out[None]


def _packed_mask(*, q_length: int, kv_length: int, local_size: int | None = None, **others: Any) -> torch.Tensor | None:
    """No mask at all, where attention needs none: the (N, N) one would cost more than attention itself.

    The size of a layer's sliding window is handed on in its mask's place, because not every model says it otherwise.
    """
    if others.get("attention_mask") is not None or q_length != kv_length or others.get("use_vmap"):
        return sdpa_mask(q_length=q_length, kv_length=kv_length, local_size=local_size, **others)
    return None if local_size is None else torch.tensor(local_size)


AttentionInterface.register(PACKED, _packed_attention)
AttentionMaskInterface.register(PACKED, _packed_mask)
