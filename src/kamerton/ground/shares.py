"""Shares as people read them."""

from __future__ import annotations

__all__ = ["bounded", "share_text"]


def bounded(share: float, digits: int) -> str:
    """`<` where a share above zero would be shown as none, `>` where one below all would be shown as all; else empty.

    Args:
        share: from 0 to 1.
        digits: decimals of the percentage that is shown.
    """
    shown = round(100 * share, digits)
    return "<" if share > 0 and shown == 0 else ">" if share < 1 and shown == 100 else ""


def share_text(share: float, digits: int = 2) -> str:
    """`4.20%`; `<0.01%` for a share that is small, but not zero, and `>99.99%` for nearly all."""
    step = 10.0 ** -(digits + 2)
    relation = bounded(share, digits)
    return f"{relation}{step if relation == '<' else 1 - step if relation else share:.{digits}%}"
