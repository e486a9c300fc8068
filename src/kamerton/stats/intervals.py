"""Closed-form intervals for shares, and for samples without any spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Interval", "paired_share_interval", "unanimous_interval", "wilson_interval"]


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    high: float
    method: str


def wilson_interval(share: float, n: float, confidence: float = 0.95) -> Interval | None:
    """Score interval of a share (Wilson 1927; for small n see Bowyer et al. 2025, arXiv 2503.01747).

    `n` may be an effective number of items: n divided by the design effect of the clusters (Kish 1965; for score
    intervals Dean and Pagano 2015). None with n < 2.
    """
    if n < 2:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the root cancels but for rounding.
    low = 0.0 if share == 0.0 else max(0.0, centre - half)
    high = 1.0 if share == 1.0 else min(1.0, centre + half)
    return Interval(low, high, "wilson")


def paired_share_interval(
    both: int, only_a: int, only_b: int, neither: int, confidence: float = 0.95
) -> Interval | None:
    """Interval of share(a) - share(b) on the same independent items (Newcombe 1998, Stat. Med. 17:2635, method 10).

    The four counts are items right in both, in one only, in neither. None with fewer than two items.
    """
    n = both + only_a + only_b + neither
    share_a, share_b = (both + only_a) / max(n, 1), (both + only_b) / max(n, 1)
    a, b = wilson_interval(share_a, n, confidence), wilson_interval(share_b, n, confidence)
    if a is None or b is None:
        return None
    correlation = _correlation(both, only_a, only_b, neither)
    down_a, up_a, down_b, up_b = share_a - a.low, a.high - share_a, share_b - b.low, b.high - share_b
    difference = share_a - share_b
    low = difference - math.sqrt(max(0.0, down_a**2 - 2 * correlation * down_a * up_b + up_b**2))
    high = difference + math.sqrt(max(0.0, up_a**2 - 2 * correlation * up_a * down_b + down_b**2))
    return Interval(max(-1.0, low), min(1.0, high), "newcombe")


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Newcombe's phi with his continuity correction; 0 where a margin is empty."""
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    numerator: float = both * neither - only_a * only_b
    if numerator > 0:
        numerator = max(numerator - (both + only_a + only_b + neither) / 2, 0.0)
    return numerator / math.sqrt(margins)


def unanimous_interval(
    value: float, n_clusters: int, bounds: tuple[float, float], confidence: float = 0.95
) -> Interval | None:
    """Interval of a mean whose G clusters all gave the same value, for values inside `bounds`.

    A share p of other clusters stays unseen with probability (1-p)^G, so p <= 1 - (alpha/2)^(1/G) (Clopper and
    Pearson 1934; the "rule of three"), and such clusters may lie anywhere inside the bounds. A bootstrap would
    give an interval of width 0 here. None with fewer than two clusters.
    """
    if n_clusters < 2:
        return None
    unseen = 1 - ((1 - confidence) / 2) ** (1 / n_clusters)
    low, high = bounds
    return Interval(value - unseen * (value - low), value + unseen * (high - value), "unanimous")
