"""The cluster bootstrap: paired by construction, since a resample takes an item with all its columns.

Legend: G clusters, K sums, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from kamerton.ground.rng import stream_seed
from kamerton.stats.intervals import Interval, unanimous_interval, wilson_interval
from kamerton.stats.sums import (
    FloatArray,
    IntArray,
    SumStatistic,
    jackknife_standard_error,
    jackknife_values,
)

__all__ = ["Estimate", "bootstrap_interval", "estimate"]

_CELLS = 4_000_000
"""Cells of a (R, G) block of counts held at once: 32 MB."""


@dataclass(frozen=True)
class Estimate:
    """A statistic with its uncertainty."""

    value: float
    standard_error: float | None
    """Clustered; 0 where all clusters agree, None where it cannot be computed."""
    interval: Interval | None
    n_items: int
    n_clusters: int


def bootstrap_interval(
    statistic: SumStatistic, clusters: IntArray, *, resamples: int, confidence: float, seed: int
) -> Interval | None:
    """BCa interval from resampled clusters (Efron 1987; Efron and Tibshirani 1993, eq. 14.9 and 14.10).

    The normal quantiles are widened as in Hesterberg's expanded percentile interval (arXiv 1411.5279, section
    5.1): -sqrt(G/(G-1)) t_{G-1} in place of z, which mends the narrowness of the bootstrap with few clusters.
    Where the bias or the acceleration is undefined the plain (expanded) percentile interval is given.
    None with too few clusters (four at 95 %), where all clusters agree, or where a resample has no finite value.
    """
    sums = statistic.by_cluster(clusters)
    if len(sums) < 2 or not jackknife_standard_error(statistic, clusters):
        return None
    level = _expanded_level(confidence, len(sums))
    # Of G clusters the outermost resample, one cluster G times, has the chance G^-G: no resample lies further out.
    if level < float(len(sums)) ** -len(sums):
        return None
    values = np.concatenate([statistic.finish(counts @ sums) for counts in _counts(len(sums), resamples, seed)])
    if not np.all(np.isfinite(values)):
        return None
    shift = _bca_shift(values, statistic.value, jackknife_values(statistic, sums))
    levels = [level, 1 - level] if shift is None else [_bca_level(p, *shift) for p in (level, 1 - level)]
    low, high = np.quantile(values, levels)
    return Interval(float(low), float(high), "percentile" if shift is None else "bca")


def _counts(n_clusters: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of (R, G) counts: how often each cluster was drawn."""
    rng = np.random.default_rng(stream_seed("bootstrap", seed))
    block = max(1, _CELLS // n_clusters)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        draws = rng.integers(0, n_clusters, size=(rows, n_clusters))
        draws += np.arange(rows)[:, None] * n_clusters
        flat = np.bincount(draws.ravel(), minlength=rows * n_clusters)
        yield flat.reshape(rows, n_clusters).astype(np.float64)


def _expanded_level(confidence: float, n_clusters: int) -> float:
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]  # slow to import

    quantile = float(stdtrit(n_clusters - 1, 0.5 + confidence / 2))
    return NormalDist().cdf(-math.sqrt(n_clusters / (n_clusters - 1)) * quantile)


def _bca_shift(values: FloatArray, observed: float, left_out: FloatArray) -> tuple[float, float] | None:
    """Bias z0 (ties count half) and acceleration; None where they are undefined."""
    tolerance = 1e-12 * max(abs(observed), 1e-300)
    below = float(np.mean(values < observed - tolerance))
    share = below + float(np.mean(np.abs(values - observed) <= tolerance)) / 2
    if not 0.0 < share < 1.0:
        return None
    deviation = left_out.mean() - left_out
    spread = float(np.sum(deviation**2))
    if spread == 0.0:
        return None
    return NormalDist().inv_cdf(share), float(np.sum(deviation**3)) / (6 * spread**1.5)


def _bca_level(level: float, bias: float, acceleration: float) -> float:
    z = bias + NormalDist().inv_cdf(level)
    slope = 1 - acceleration * z
    # Beyond its pole the transformation has no meaning; the outermost resample is the honest end.
    if slope <= 0:
        return 0.0 if level < 0.5 else 1.0
    return NormalDist().cdf(bias + z / slope)


def estimate(
    statistic: SumStatistic,
    clusters: IntArray,
    *,
    resamples: int,
    confidence: float,
    seed: int,
    bounds: tuple[float, float] | None = None,
    share: bool = False,
) -> Estimate | None:
    """A statistic with its clustered standard error and interval; None without items.

    `bounds` are the least and the greatest value that an item can have (None: unbounded); they give an interval
    where all clusters agree. `share=True` (values 0 and 1) takes Wilson's interval on the effective number of
    items, n times the variance of independent items over the clustered variance.
    """
    if len(statistic.items) == 0:
        return None
    n_items, n_clusters = len(statistic.items), len(np.unique(clusters))
    value = statistic.value
    error = jackknife_standard_error(statistic, clusters)
    interval: Interval | None
    if error is None:
        interval = None
    elif error == 0.0:
        interval = unanimous_interval(value, n_clusters, bounds, confidence) if bounds else None
        if share:
            interval = wilson_interval(value, n_clusters, confidence)
    elif share:
        effective = min(float(n_items), 1 + value * (1 - value) / error**2)
        interval = wilson_interval(value, effective, confidence)
    else:
        interval = bootstrap_interval(statistic, clusters, resamples=resamples, confidence=confidence, seed=seed)
    return Estimate(value, error, interval, n_items, n_clusters)
