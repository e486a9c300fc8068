"""What is remembered of a cross-validation: each metric on each fold, and its mean with an interval."""

from __future__ import annotations

from typing import Literal

from kamerton.records.base import Part, Record

__all__ = ["CrossValidationRecord", "FoldMetric", "FoldRun"]


class FoldRun(Part):
    """The run that one fold was measured with."""

    fold: int
    """From 0, as in `data.split.fold`."""
    run_id: str
    train_rows: int
    validation_rows: int
    """Rows of the fold, which the run did not learn from."""


class FoldMetric(Part):
    """One metric over the folds."""

    better: Literal["higher", "lower"]
    values: list[float | None]
    """By fold; None where no item of the fold could be measured."""
    mean: float | None
    """Of the folds that have a value, on the scale of the metric's tests: for perplexity the geometric mean."""
    low: float | None
    """Lower end of the interval; None where it cannot be computed."""
    high: float | None
    method: str
    """`nadeau_bengio`: Student's t with the variance corrected for shared training rows; empty without an interval."""


class CrossValidationRecord(Record):
    """A recipe trained once for each fold, and measured on the fold that the run did not learn from."""

    kind: Literal["cross_validation"] = "cross_validation"
    name: str
    """Name of the recipe."""
    recipe_digest: str
    """Digest of the resolved recipe of fold 0."""
    folds: int
    confidence: float
    """Level of the intervals."""
    runs: list[FoldRun]
    metrics: dict[str, FoldMetric]
    finished: str
    """UTC, ISO 8601."""
