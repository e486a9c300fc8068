"""What is remembered of a comparison: each metric against each baseline, with its statistics."""

from __future__ import annotations

import math
from typing import Literal

from kamerton.records.base import Part, Record

__all__ = ["ComparisonRecord", "MetricComparison", "Verdict"]

Verdict = Literal["better", "worse", "no difference shown", "too few items", "not comparable"]


class MetricComparison(Part):
    """The candidate against one baseline on one metric, over the same items."""

    metric: str
    baseline: str
    better: Literal["higher", "lower"]
    scale: Literal["absolute", "relative"]
    """`absolute`: candidate - baseline; `relative`: candidate / baseline - 1 (perplexity)."""
    candidate_value: float | None
    """Over the items that both were measured on."""
    baseline_value: float | None
    difference: float | None
    """On the named scale; its sign is that of the numbers, so a lower perplexity is a negative difference."""
    low: float | None
    """Interval of the difference; None where it cannot be computed."""
    high: float | None
    method: str
    """How the interval was made: `newcombe`, `bca`, `percentile`, `unanimous`; empty without one."""
    gain: float | None
    """Positive where the candidate is better: the difference (`absolute`), or the log ratio (`relative`)."""
    gain_standard_error: float | None
    """Clustered standard error of the gain; 0 where all clusters agree."""
    test: Literal["mcnemar_exact", "paired_permutation", ""]
    """Two-sided; empty where none could be made."""
    p_value: float | None
    p_adjusted: float | None
    """Holm's correction over all tests of the comparison."""
    minimum_detectable_effect: float | None
    """Smallest true difference, on the named scale, that one test at `alpha` would find with probability `power`."""
    wins: int
    """Items on which the candidate is better, to the last bit."""
    losses: int
    ties: int
    n_items: int
    n_clusters: int
    verdict: Verdict

    def margin_as_gain(self, margin: float) -> float:
        """A tolerated loss on the named scale, in the unit of `gain`."""
        return math.log1p(margin) if self.scale == "relative" else margin


class ComparisonRecord(Record):
    """A candidate against baselines on one set."""

    kind: Literal["comparison"] = "comparison"
    candidate: str
    baselines: list[str]
    evaluations: dict[str, str]
    """Digest of the evaluation record that was compared, by model."""
    set_name: str
    set_fingerprint: str
    alpha: float
    """Family-wise error rate of the verdicts."""
    power: float
    confidence: float
    """Level of each interval, without correction for their number."""
    resamples: int
    seed: int
    n_tests: int
    """Size of the family that Holm's correction runs over."""
    entries: list[MetricComparison]

    def entry(self, metric: str, baseline: str) -> MetricComparison | None:
        """The comparison on a metric with a baseline; None where it was not made."""
        return next((e for e in self.entries if (e.metric, e.baseline) == (metric, baseline)), None)
