"""A candidate against baselines: the same items, paired and clustered statistics, one correction over all tests."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kamerton.evaluation.metrics import METRICS, Metric
from kamerton.ground.errors import DataError
from kamerton.recipe import EvaluationSection
from kamerton.records.comparison import ComparisonRecord, MetricComparison, Verdict
from kamerton.records.evaluation import EvaluationRecord, ItemResult
from kamerton.stats import (
    Estimate,
    FloatArray,
    Interval,
    estimate,
    holm,
    mcnemar_exact,
    minimum_detectable_effect,
    paired_difference,
    paired_share_interval,
    swap_permutation,
)

__all__ = ["compare"]

Test = Literal["mcnemar_exact", "paired_permutation", ""]


def compare(
    candidate: EvaluationRecord,
    baselines: Sequence[EvaluationRecord],
    options: EvaluationSection,
    alpha: float = 0.05,
    power: float = 0.8,
) -> ComparisonRecord:
    """Compare a candidate with baselines on every metric that was measured.

    Metrics that are shares of independent items get the exact McNemar test and Newcombe's interval; all others, and
    shares of clustered items, a permutation test that swaps whole clusters and the cluster bootstrap. Holm's
    correction runs over all metrics and baselines, and the verdicts follow the corrected p-values. Perplexity is
    compared as a ratio.

    Raises:
        DataError: the records are not of the same items, clusters and patterns, or share a name.
    """
    _check_names(candidate, baselines)
    pairs = [(baseline, _aligned(candidate, baseline)) for baseline in baselines]
    found = [
        _pair(METRICS[metric], candidate.items, items, baseline.model, options)
        for baseline, items in pairs
        for metric in candidate.metrics
    ]
    tested = [index for index, pair in enumerate(found) if pair.p_value is not None]
    adjusted = dict(zip(tested, holm([found[index].p_value or 0.0 for index in tested]), strict=True))
    return ComparisonRecord(
        candidate=candidate.model,
        baselines=[baseline.model for baseline in baselines],
        evaluations={record.model: record.digest for record in (candidate, *baselines)},
        set_name=candidate.set_name,
        set_fingerprint=candidate.set_fingerprint,
        alpha=alpha,
        power=power,
        confidence=options.confidence,
        resamples=options.resamples,
        seed=options.seed,
        n_tests=len(tested),
        entries=[_entry(pair, adjusted.get(i), len(tested), alpha, power) for i, pair in enumerate(found)],
    )


def _check_names(candidate: EvaluationRecord, baselines: Sequence[EvaluationRecord]) -> None:
    names = [candidate.model, *(baseline.model for baseline in baselines)]
    if not baselines:
        raise DataError("there is nothing to compare with", expected="at least one baseline")
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two evaluations are named {name!r}", expected="another name for each model")


def _aligned(candidate: EvaluationRecord, baseline: EvaluationRecord) -> list[ItemResult]:
    """The baseline's items in the candidate's order; refused where the two were not measured alike."""
    where = f"{candidate.model} and {baseline.model} on the set {candidate.set_name}"
    mend = "kamerton evaluate both models on the same set with the same recipe"
    waiting: dict[str, list[ItemResult]] = defaultdict(list)
    for item in baseline.items:
        waiting[item.row_hash].append(item)
    ours, theirs = ({item.row_hash for item in record.items} for record in (candidate, baseline))
    if sorted(item.row_hash for item in candidate.items) != sorted(item.row_hash for item in baseline.items):
        raise DataError(
            f"the items differ: {len(candidate.items)} and {len(baseline.items)}, "
            f"{len(ours - theirs)} only in the first, {len(theirs - ours)} only in the second",
            where=where,
            expected="the same items in both",
            mend=mend,
        )
    for key in ("label", "form", "max_new_tokens"):
        first, second = getattr(candidate, key), getattr(baseline, key)
        if first != second:
            raise DataError(f"evaluation.{key} differs: {first!r} and {second!r}", where=where, mend=mend)
    if missing := [metric for metric in candidate.metrics if metric not in baseline.metrics]:
        raise DataError(f"{baseline.model} lacks {', '.join(missing)}", where=where, mend=mend)
    items = [waiting[item.row_hash].pop(0) for item in candidate.items]
    if not _same_partition(candidate.items, items):
        raise DataError("the items are clustered in another way", where=where, mend=mend)
    return items


def _same_partition(first: Sequence[ItemResult], second: Sequence[ItemResult]) -> bool:
    """Whether two lists of items are parted into the same clusters, whatever the ids."""
    both = {(a.cluster, b.cluster) for a, b in zip(first, second, strict=True)}
    return len(both) == len({a for a, _ in both}) == len({b for _, b in both})


@dataclass(frozen=True)
class _Pair:
    """A metric on the items that two models were both measured on; `gain` is positive where the first is better."""

    metric: Metric
    baseline: str
    n_items: int
    n_clusters: int
    values: tuple[float, float] | None = None
    """On the scale of the tests."""
    gain: Estimate | None = None
    interval: Interval | None = None
    test: Test = ""
    p_value: float | None = None
    wins: int = 0
    losses: int = 0
    comparable: bool = True


def _pair(
    metric: Metric,
    ours: Sequence[ItemResult],
    theirs: Sequence[ItemResult],
    baseline: str,
    options: EvaluationSection,
) -> _Pair:
    both = [
        (a, b)
        for a, b in zip(ours, theirs, strict=True)
        if a.values[metric.name] is not None and b.values[metric.name] is not None
    ]
    clusters = np.array([a.cluster for a, _ in both], dtype=np.int64)
    n_items, n_clusters = len(both), len(np.unique(clusters))
    if not both:
        return _Pair(metric, baseline, 0, 0)
    a, b = metric.statistic([a for a, _ in both]), metric.statistic([b for _, b in both])
    better, worse = (a, b) if metric.better == "higher" else (b, a)
    steps = _item_gains(metric, both)
    wins, losses = int(np.sum(steps > 0)), int(np.sum(steps < 0))
    values = (a.value, b.value)
    if metric.needs == "score" and any(x.tokens != y.tokens for x, y in both):
        return _Pair(metric, baseline, n_items, n_clusters, values, wins=wins, losses=losses, comparable=False)
    gain = estimate(
        paired_difference(better, worse),
        clusters,
        resamples=options.resamples,
        confidence=options.confidence,
        seed=options.seed,
        bounds=None if metric.bounds is None else (-1.0, 1.0),
    )
    interval = gain.interval if gain else None
    test: Test = "paired_permutation"
    if metric.binary and n_clusters == n_items:
        test, p_value = "mcnemar_exact", mcnemar_exact(wins, losses) if n_items > 1 else None
        interval = _share_interval(both, metric, options.confidence)
    else:
        p_value = swap_permutation(a, b, clusters, seed=options.seed) if n_clusters > 1 else None
    return _Pair(
        metric,
        baseline,
        n_items,
        n_clusters,
        values,
        gain,
        interval,
        test if p_value is not None else "",
        p_value,
        wins,
        losses,
    )


def _item_gains(metric: Metric, both: Sequence[tuple[ItemResult, ItemResult]]) -> FloatArray:
    """(n,): how much better the first model is on each item."""
    sign = 1.0 if metric.better == "higher" else -1.0
    return np.array([sign * ((a.values[metric.name] or 0.0) - (b.values[metric.name] or 0.0)) for a, b in both])


def _share_interval(
    both: Sequence[tuple[ItemResult, ItemResult]], metric: Metric, confidence: float
) -> Interval | None:
    cells = [(a.values[metric.name] == 1.0, b.values[metric.name] == 1.0) for a, b in both]
    counts = [cells.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))]
    return paired_share_interval(counts[0], counts[1], counts[2], counts[3], confidence)


def _entry(pair: _Pair, p_adjusted: float | None, n_tests: int, alpha: float, power: float) -> MetricComparison:
    relative = pair.metric.relative
    sign = 1.0 if pair.metric.better == "higher" else -1.0

    def shown(gain: float) -> float:
        """A gain as a difference on the scale of the record."""
        return math.expm1(sign * gain) if relative else sign * gain

    gain = pair.gain
    error = gain.standard_error if gain else None
    ends = sorted((shown(pair.interval.low), shown(pair.interval.high))) if pair.interval else (None, None)
    effect = minimum_detectable_effect(error, alpha=alpha, power=power)
    return MetricComparison(
        metric=pair.metric.name,
        baseline=pair.baseline,
        better=pair.metric.better,
        scale="relative" if relative else "absolute",
        candidate_value=pair.metric.shown(pair.values[0]) if pair.values else None,
        baseline_value=pair.metric.shown(pair.values[1]) if pair.values else None,
        difference=shown(gain.value) if gain else None,
        low=ends[0],
        high=ends[1],
        method=pair.interval.method if pair.interval else "",
        gain=gain.value if gain else None,
        gain_standard_error=error,
        test=pair.test,
        p_value=pair.p_value,
        p_adjusted=p_adjusted,
        minimum_detectable_effect=math.expm1(effect) if effect is not None and relative else effect,
        wins=pair.wins,
        losses=pair.losses,
        ties=pair.n_items - pair.wins - pair.losses,
        n_items=pair.n_items,
        n_clusters=pair.n_clusters,
        verdict=_verdict(pair, p_adjusted, n_tests, alpha),
    )


def _verdict(pair: _Pair, p_adjusted: float | None, n_tests: int, alpha: float) -> Verdict:
    if not pair.comparable:
        return "not comparable"
    if p_adjusted is None or pair.gain is None:
        return "too few items"
    if p_adjusted <= alpha:
        return "better" if pair.gain.value > 0 else "worse"
    # The smallest p that so many clusters can give is 2 of 2^G swaps: below that no answers could have won.
    if n_tests * 2.0 ** (1 - min(pair.n_clusters, 1000)) > alpha:
        return "too few items"
    return "no difference shown"
