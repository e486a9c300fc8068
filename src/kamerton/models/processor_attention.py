"""Attention within each sequence of a row, on a processor, with its own backward pass.

Two kernels: torch's flash attention, and for short sequences in bfloat16 plain matrix products, which its units for
bfloat16 do two to three times as fast as the flash kernel, whose sums are all in fp32.

Shapes: N tokens of the row, T of a sequence, H attention heads, D head size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable

__all__ = ["EachSequence"]

_SHORT = 512
"""Up to this length the shares of attention are kept for the backward pass: H T^2 numbers for each layer."""

_SHARES_GRID = 32
"""Their matrices are rounded up to a multiple of this many tokens: see `packed.pack`."""

_FLASH = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_FLASH_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class EachSequence(torch.autograd.Function):
    """Causal attention of queries, keys and values (1, H, N, D) within `bounds`: (1, N, H, D).

    A sequence's numbers are the same bits whatever stands beside it in the row.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bounds: list[tuple[int, int]],
        scaling: float | None,
    ) -> torch.Tensor:
        batch, heads, tokens, size = query.shape
        scale = size**-0.5 if scaling is None else scaling
        out = query.new_empty(batch, tokens, heads, value.shape[-1])
        kept = []
        for begin, end in bounds:
            inputs = query, key, value
            if _as_products(query, end - begin):
                part, found = _products(inputs, begin, end, scale)
            else:
                q, k, v = (x[:, :, begin:end] for x in inputs)
                part, found = _FLASH(q, k, v, 0.0, True, scale=scale)
            out[:, begin:end] = part.transpose(1, 2)
            kept.append(found)
        ctx.save_for_backward(query, key, value, out, *kept)
        ctx.bounds, ctx.scale = bounds, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, out, *kept = ctx.saved_tensors
        inputs = query, key, value
        grads = [torch.empty_like(x) for x in inputs]
        for (begin, end), found in zip(ctx.bounds, kept, strict=True):
            g = grad[:, begin:end].transpose(1, 2)
            if _as_products(query, end - begin):
                parts = _products_backward(g, inputs, begin, found, ctx.scale)
            else:
                q, k, v = (x[:, :, begin:end] for x in inputs)
                o = out[:, begin:end].transpose(1, 2)
                parts = _FLASH_BACKWARD(g, q, k, v, o, found, 0.0, True, scale=ctx.scale)
            for whole, part in zip(grads, parts, strict=True):
                whole[:, :, begin:end] = part
        return *grads, None, None


def _as_products(query: torch.Tensor, tokens: int) -> bool:
    """Whether matrix products are the faster kernel."""
    return query.dtype == torch.bfloat16 and query.shape[0] == 1 and tokens <= _SHORT


def _products(
    inputs: tuple[torch.Tensor, ...], begin: int, end: int, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One sequence's output (1, H, T, D), and the shares (H, T', T') that its tokens give each other.

    T' is T rounded up. What the neighbour's tokens give there is nothing, because they come later.
    """
    size = end - begin + -(end - begin) % _SHARES_GRID
    q, k, v = (_window(x, begin, size) for x in inputs)
    heads, groups = len(k), len(q) // len(k)
    wide = q.reshape(heads, -1, q.shape[-1]).float(), k.to(torch.float32, memory_format=torch.contiguous_format)
    with _half_products():
        scores = torch.bmm(wide[0], wide[1].mT).view(heads * groups, size, size)  # in fp32
    shares = torch.softmax(torch.add(_later(size), scores, alpha=scale), -1).to(q.dtype)
    part = torch.bmm(shares.view(heads, -1, size), v).view(1, heads * groups, size, -1)
    return part[:, :, : end - begin], shares


def _products_backward(
    grad: torch.Tensor, inputs: tuple[torch.Tensor, ...], begin: int, shares: torch.Tensor, scale: float
) -> list[torch.Tensor]:
    """Gradients (1, H, T, D) of one sequence's queries, keys and values."""
    size, tokens = shares.shape[-1], grad.shape[2]
    q, k, v = (_window(x, begin, size) for x in inputs)
    heads = len(k)
    # Nothing is asked of the neighbour's tokens, so that they give no gradient.
    g = torch.nn.functional.pad(grad[0], (0, 0, 0, size - tokens)).reshape(heads, -1, v.shape[-1])
    shares = shares.view(heads, -1, size)
    slopes = torch.bmm(g, v.contiguous().mT)
    slopes = torch._softmax_backward_data(slopes, shares, -1, slopes.dtype)
    d_q = torch.bmm(slopes, k).view(len(q), size, -1).mul_(scale)
    d_k = torch.bmm(slopes.mT, q.reshape(heads, -1, q.shape[-1])).mul_(scale)
    d_v = torch.bmm(shares.mT, g)
    return [each[None, :, :tokens] for each in (d_q, d_k, d_v)]


def _window(x: torch.Tensor, begin: int, size: int) -> torch.Tensor:
    """Tokens of the row (1, H, N, D) from one on: (H, size, D), filled up where the row ends."""
    part = x[0, :, begin : begin + size]
    missing = size - part.shape[1]
    return torch.nn.functional.pad(part, (0, 0, 0, missing)) if missing else part


@lru_cache(maxsize=_SHORT // _SHARES_GRID)
def _later(tokens: int) -> torch.Tensor:
    """What is added to scores (T, T): minus infinity for tokens that come later."""
    return torch.full((tokens, tokens), -torch.inf).triu(1)


@contextmanager
def _half_products() -> Iterator[None]:
    """Products of fp32 matrices in bfloat16 where the processor can, with sums and results in fp32."""
    setting: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = setting.fp32_precision
    setting.fp32_precision = "bf16"
    try:
        yield
    finally:
        setting.fp32_precision = before
