"""Tests of two models on the same items."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kamerton.ground.rng import stream_seed
from kamerton.stats.sums import FloatArray, IntArray, SumStatistic, mean_statistic

__all__ = ["mcnemar_exact", "non_inferiority", "paired_permutation", "swap_permutation"]

_CELLS = 4_000_000
"""Cells of a (R, G) block of swaps held at once: 32 MB."""


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact test of b against c discordant pairs (McNemar 1947; exact by the binomial with p = 1/2).

    `b` items are right in the first model only, `c` in the second only; the items must be independent. 1.0
    without discordant pairs.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts cannot be negative: {b}, {c}")
    n: int = b + c
    term = tail = 1
    for k in range(min(b, c)):
        term = term * (n - k) // (k + 1)
        tail += term
    return float(min(1.0, 2 * tail / 2**n))


def swap_permutation(
    a: SumStatistic, b: SumStatistic, clusters: IntArray, *, seed: int, resamples: int = 9999
) -> float | None:
    """Two-sided p of a - b when the two models may trade places in whole clusters (Fisher 1935; Good 2005, ch. 3).

    Under no difference the two results of a cluster are exchangeable. All 2^G swaps are counted where they are no
    more than `resamples`; otherwise p = (1 + hits) / (1 + resamples) (Phipson and Smyth 2010), never 0.
    Clusters in which both models did the same cannot matter and are left out of the count. None without items.
    """
    if len(a.items) == 0:
        return None
    sums_a, sums_b = a.by_cluster(clusters), b.by_cluster(clusters)
    moved = sums_a - sums_b
    active = moved[np.any(moved != 0, axis=1)]
    total_a, total_b = sums_a.sum(axis=0), sums_b.sum(axis=0)
    observed = abs(a.value - b.value)
    # Sums in another order differ in the last bits; an equal split must count as equal.
    threshold = observed - 1e-9 * max(observed, abs(a.value), abs(b.value))
    exact = 2 ** min(len(active), 63) <= resamples
    hits, tried = 0, 0
    for swaps in _all_swaps(len(active)) if exact else _random_swaps(len(active), resamples, seed):
        shift = swaps @ active
        values = np.abs(a.finish(total_a - shift) - b.finish(total_b + shift))
        hits += int(np.sum(values >= threshold))
        tried += len(values)
    return hits / tried if exact else (1 + hits) / (1 + tried)


def _all_swaps(n_clusters: int) -> Iterator[FloatArray]:
    rows = np.arange(2**n_clusters, dtype=np.int64)
    yield (rows[:, None] >> np.arange(n_clusters) & 1).astype(np.float64)


def _random_swaps(n_clusters: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    rng = np.random.default_rng(stream_seed("permutation", seed))
    block = max(1, _CELLS // n_clusters)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(-(-rows * n_clusters // 8)), dtype=np.uint8))
        yield bits[: rows * n_clusters].reshape(rows, n_clusters).astype(np.float64)


def paired_permutation(
    differences: Sequence[float] | FloatArray, clusters: IntArray, *, seed: int, resamples: int = 9999
) -> float | None:
    """Two-sided p that the mean of the items' differences is 0, by flipping the signs of whole clusters.

    `swap_permutation` for a mean; exact where the flips are few. None without items.
    """
    first = mean_statistic(differences)
    return swap_permutation(first, mean_statistic(np.zeros(len(first.items))), clusters, seed=seed, resamples=resamples)


def non_inferiority(
    gain: float, standard_error: float | None, n_clusters: int, margin: float, *, lowest_gain: float | None = None
) -> float | None:
    """One-sided p of "the model is worse by `margin` or more"; a small p shows that it is not.

    t = (gain + margin) / SE with G - 1 degrees of freedom (Wellek 2010, ch. 2; Miller 2024 for the clustered SE).
    `gain` is positive where the model is better, and `margin` is positive, in the same unit. Where all clusters
    agree (SE 0) a t test does not exist: then p is the chance to miss every cluster of a share that would bring
    the loss to the margin, each worth `lowest_gain` (-1 for shares); without `lowest_gain` it is None.
    """
    if margin < 0:
        raise ValueError(f"the margin cannot be negative: {margin}")
    if standard_error is None or n_clusters < 2:
        return None
    if standard_error > 0:
        from scipy.special import stdtr  # type: ignore[import-untyped, unused-ignore]  # slow to import

        return float(stdtr(n_clusters - 1, -(gain + margin) / standard_error))
    if lowest_gain is None:
        return None
    if gain <= -margin:
        return 1.0
    unseen = (gain + margin) / (gain - lowest_gain)
    return math.pow(max(0.0, 1 - unseen), n_clusters)
