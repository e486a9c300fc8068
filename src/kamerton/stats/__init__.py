"""Stats: intervals, paired tests, corrections and power, as pure functions on arrays.

Items that tell of the same matter (near-duplicates, one author, one document) form a cluster; every function
resamples, swaps or leaves out whole clusters, because the clusters and not the items are independent
(Miller 2024, arXiv 2411.00640, section 3.2). A number that cannot be computed is None, never 0.
"""

from kamerton.stats.bootstrap import Estimate, bootstrap_interval, estimate
from kamerton.stats.corrections import holm
from kamerton.stats.folds import fold_interval
from kamerton.stats.intervals import Interval, paired_share_interval, unanimous_interval, wilson_interval
from kamerton.stats.paired_tests import mcnemar_exact, non_inferiority, paired_permutation, swap_permutation
from kamerton.stats.power import minimum_detectable_effect
from kamerton.stats.sums import (
    FloatArray,
    IntArray,
    SumStatistic,
    cluster_indices,
    jackknife_standard_error,
    mean_statistic,
    paired_difference,
)

__all__ = [
    "Estimate",
    "FloatArray",
    "IntArray",
    "Interval",
    "SumStatistic",
    "bootstrap_interval",
    "cluster_indices",
    "estimate",
    "fold_interval",
    "holm",
    "jackknife_standard_error",
    "mcnemar_exact",
    "mean_statistic",
    "minimum_detectable_effect",
    "non_inferiority",
    "paired_difference",
    "paired_permutation",
    "paired_share_interval",
    "swap_permutation",
    "unanimous_interval",
    "wilson_interval",
]
