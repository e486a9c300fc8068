"""The mean over the folds of a cross-validation, with an interval that knows the folds share their training rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from kamerton.stats.intervals import Interval

__all__ = ["fold_interval"]


def fold_interval(values: Sequence[float], ratio: float, confidence: float = 0.95) -> Interval | None:
    """Interval of the mean of a metric over J folds (Nadeau and Bengio 2003, Machine Learning 52:239, section 3).

    The training sets overlap, so the values are not independent and s^2 / J is too small; in its place stands
    (1/J + n2/n1) s^2 with Student's t at J - 1 degrees of freedom. No estimator of this variance is unbiased for
    every distribution (Bengio and Grandvalet 2004, JMLR 5:1089): this one takes the correlation between folds to be
    n2 / (n1 + n2), which was found to err on the wide side.

    Args:
        ratio: n2 / n1, rows measured on over rows trained on; 1 / (J - 1) for folds of one size.

    None with fewer than two values, or where all are equal: no spread tells nothing of how much there is.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]  # slow to import

    folds = len(values)
    if folds < 2 or len(set(values)) == 1:
        return None
    error = math.sqrt((1 / folds + ratio) * variance(values))
    half = float(stdtrit(folds - 1, 0.5 + confidence / 2)) * error
    mean = fmean(values)
    return Interval(mean - half, mean + half, "nadeau_bengio")
