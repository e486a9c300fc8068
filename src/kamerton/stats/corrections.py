"""Corrections for many tests."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the family-wise error rate (Holm 1979), in the order given.

    The k-th smallest of m is multiplied by m - k + 1, made monotone and cut at 1; no independence is needed.
    """
    for p in p_values:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"not a p-value: {p}")
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
