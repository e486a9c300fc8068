"""Statistics that depend on the items only through sums: means, ratios, macro-F1.

Such a statistic needs one small row for each item; leaving out, repeating or swapping whole clusters is then
arithmetic on the rows summed by cluster, so that resampling costs a matrix product.

Legend: n items, G clusters, K sums, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "FloatArray",
    "IntArray",
    "SumStatistic",
    "cluster_indices",
    "jackknife_standard_error",
    "jackknife_values",
    "mean_statistic",
    "paired_difference",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SumStatistic:
    """A number computed from sums over the items."""

    items: FloatArray
    """(n, K): what each item adds to each sum."""
    finish: Callable[[FloatArray], FloatArray]
    """(R, K) sums -> (R,) values, row by row."""

    def __post_init__(self) -> None:
        if self.items.ndim != 2:
            raise ValueError(f"items must have the shape (n, K), not {self.items.shape}")

    @property
    def value(self) -> float:
        """The statistic of all items."""
        return float(self.finish(self.items.sum(axis=0, keepdims=True))[0])

    def by_cluster(self, clusters: IntArray) -> FloatArray:
        """(G, K): the rows summed by cluster; `clusters` holds one id an item."""
        indices, n_clusters = cluster_indices(clusters)
        if len(indices) != len(self.items):
            raise ValueError(f"{len(indices)} cluster ids for {len(self.items)} items")
        sums = np.zeros((n_clusters, self.items.shape[1]))
        np.add.at(sums, indices, self.items)
        return sums


def cluster_indices(clusters: Sequence[int] | IntArray) -> tuple[IntArray, int]:
    """Cluster ids renumbered 0..G-1, and G."""
    ids, indices = np.unique(np.asarray(clusters, dtype=np.int64), return_inverse=True)
    return indices.astype(np.int64), len(ids)


def mean_statistic(values: Sequence[float] | FloatArray) -> SumStatistic:
    """The mean over items; resampled clusters of unequal size weigh by their items."""
    column = np.asarray(values, dtype=np.float64)
    return SumStatistic(np.column_stack([column, np.ones_like(column)]), _ratio)


def _ratio(sums: FloatArray) -> FloatArray:
    quotient: FloatArray = sums[:, 0] / sums[:, 1]
    return quotient


def paired_difference(a: SumStatistic, b: SumStatistic) -> SumStatistic:
    """`a - b` on the same items; both keep their pairing when items are resampled."""
    if len(a.items) != len(b.items):
        raise ValueError(f"{len(a.items)} items are paired with {len(b.items)}")
    width = a.items.shape[1]
    return SumStatistic(
        np.hstack([a.items, b.items]),
        lambda sums: a.finish(sums[:, :width]) - b.finish(sums[:, width:]),
    )


def jackknife_values(statistic: SumStatistic, sums: FloatArray) -> FloatArray:
    """(G,): the statistic with each cluster left out; `sums` are `statistic.by_cluster(...)`."""
    return statistic.finish(sums.sum(axis=0) - sums)


def jackknife_standard_error(statistic: SumStatistic, clusters: IntArray) -> float | None:
    """Standard error by leaving out one cluster at a time.

    SE^2 = (G-1)/G * sum (t_g - mean t)^2 (Efron and Tibshirani 1993, eq. 11.5). For a mean over items that are
    their own clusters this is the usual s/sqrt(n). None with fewer than two clusters.
    """
    sums = statistic.by_cluster(clusters)
    if len(sums) < 2:
        return None
    return _standard_error(jackknife_values(statistic, sums))


def _standard_error(left_out: FloatArray) -> float | None:
    if not np.all(np.isfinite(left_out)):
        return None
    count = len(left_out)
    spread = float(np.sum((left_out - left_out.mean()) ** 2))
    # Rounding leaves about 1e-16 of the values (of the summands, where they cancel); such a spread is none.
    scale = max(1e-3, float(np.max(np.abs(left_out))))
    if spread <= count * (1e-12 * scale) ** 2:
        return 0.0
    return float(np.sqrt((count - 1) / count * spread))
