"""The gate: comparisons and a policy in, a decision with reasons out. Pure: the same input gives the same bytes.

Primary: superiority. The model must be better than each named baseline, by Holm's corrected p-value and by an interval
that excludes zero. Guards: non-inferiority to the base within a margin, by the bound of the interval of the difference
(a 95 % two-sided interval makes it a one-sided test at 2.5 %). All rules must pass, so they need no correction among
each other (intersection-union test; Berger, Technometrics 24, 1982). What is missing or too small to tell never passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kamerton.ground.errors import RequestError
from kamerton.recipe import GateSection, Guard
from kamerton.records.comparison import ComparisonRecord, MetricComparison
from kamerton.records.decision import Decision, Outcome, Reason

__all__ = ["decide"]

_PRIMARY_SET = "test"
_GUARD_BASELINE = "base"


def decide(comparisons: Sequence[ComparisonRecord], policy: GateSection, model_sha256: str) -> Decision:
    """Apply the policy.

    Args:
        comparisons: one for each set: `test` for the primary rule, others where guards name them.
        policy: the recipe's gate.
        model_sha256: SHA-256 of the weights that were compared; the decision is about no other model.

    Raises:
        RequestError: two comparisons are of one set.
    """
    by_set = {comparison.set_name: comparison for comparison in comparisons}
    if len(by_set) < len(comparisons):
        raise RequestError("two comparisons are of one set", expected="one comparison for each set")
    reasons = [_primary(by_set.get(_PRIMARY_SET), policy, baseline) for baseline in policy.primary.better_than]
    if not reasons:
        reasons.append(_nothing_to_beat(policy))
    reasons += [_guard(by_set.get(guard.on), guard) for guard in policy.guards]
    return Decision(
        verdict="pass" if all(reason.passed for reason in reasons) else "fail",
        model_sha256=model_sha256,
        reasons=reasons,
        policy=policy.model_dump(mode="json"),
        comparisons={name: comparison.digest for name, comparison in sorted(by_set.items())},
    )


def _nothing_to_beat(policy: GateSection) -> Reason:
    return Reason(
        rule="primary",
        metric=policy.primary.metric,
        set_name=_PRIMARY_SET,
        baseline="",
        passed=False,
        outcome="not measured",
        text="The gate names no baseline to beat (gate.primary.better_than is empty).",
        numbers={},
    )


def _primary(comparison: ComparisonRecord | None, policy: GateSection, baseline: str) -> Reason:
    metric = policy.primary.metric
    entry = comparison.entry(metric, baseline) if comparison else None
    if comparison is None or entry is None:
        return _absent("primary", metric, _PRIMARY_SET, baseline)
    outcome: Outcome
    if (unfit := _unfit(entry)) is not None:
        outcome, ending = unfit
    else:
        significant = entry.p_adjusted is not None and entry.p_adjusted <= policy.alpha
        outcome = "better" if significant and _loss_interval(entry)[1] < 0 else "not better"
        ending = _judged(entry, policy.alpha, outcome)
    return _reason("primary", comparison, entry, outcome, ending, policy.alpha)


def _judged(entry: MetricComparison, alpha: float, outcome: Outcome) -> str:
    p_value = entry.p_adjusted or 0.0
    seen = "adjusted p < 0.0001" if p_value < 0.0001 else f"adjusted p = {p_value:.4f}"
    if outcome == "better":
        return f"better, {seen}"
    if _loss_interval(entry)[0] > 0:
        return f"worse, {seen}"
    detectable = _amount(entry.minimum_detectable_effect, entry)
    return f"not shown to be better, {seen} at alpha {alpha:g}; so many items find a difference of {detectable}"


def _guard(comparison: ComparisonRecord | None, guard: Guard) -> Reason:
    entry = comparison.entry(guard.metric, _GUARD_BASELINE) if comparison else None
    if comparison is None or entry is None:
        return _absent("guard", guard.metric, guard.on, _GUARD_BASELINE)
    outcome, ending = _unfit(entry) or _within(entry, guard.margin)
    return _reason("guard", comparison, entry, outcome, ending, guard.margin)


def _within(entry: MetricComparison, margin: float) -> tuple[Outcome, str]:
    """Superiority first, since a model that is better by Holm's test has no loss that could have been overlooked."""
    least, most = _loss_interval(entry)
    allowed = _amount(margin, entry)
    if entry.verdict == "better" and most < 0:
        return "better", "better, so not worse"
    if least > margin:
        return "beyond the margin", f"worse by more than the margin of {allowed}"
    detectable = entry.minimum_detectable_effect
    if detectable is None or detectable > margin:
        found = _amount(detectable, entry)
        return "too few items", f"too few items to tell: only a loss of {found} would be found, the margin is {allowed}"
    if most > margin:
        return "beyond the margin", f"the loss may be {_amount(most, entry)}, the margin is {allowed}"
    return "within the margin", f"the loss is at most {_amount(max(most, 0.0), entry)}, the margin is {allowed}"


def _unfit(entry: MetricComparison) -> tuple[Outcome, str] | None:
    """Why nothing can be concluded from the entry; None where something can."""
    if entry.verdict == "not comparable":
        return "not comparable", "the two models count tokens differently"
    if entry.verdict == "too few items" or entry.low is None or entry.high is None or entry.p_adjusted is None:
        return "too few items", "too few items to tell"
    return None


def _loss_interval(entry: MetricComparison) -> tuple[float, float]:
    """The interval of the loss on the entry's scale; positive where the candidate is worse."""
    low, high = entry.low or 0.0, entry.high or 0.0
    return (-high, -low) if entry.better == "higher" else (low, high)


def _reason(
    rule: Literal["primary", "guard"],
    comparison: ComparisonRecord,
    entry: MetricComparison,
    outcome: Outcome,
    ending: str,
    limit: float,
) -> Reason:
    return Reason(
        rule=rule,
        metric=entry.metric,
        set_name=comparison.set_name,
        baseline=entry.baseline,
        passed=outcome in ("better", "within the margin"),
        outcome=outcome,
        text=f"{_measured(comparison, entry)}: {ending}.",
        numbers={
            "candidate": entry.candidate_value,
            "baseline": entry.baseline_value,
            "difference": entry.difference,
            "low": entry.low,
            "high": entry.high,
            "p_adjusted": entry.p_adjusted,
            "minimum_detectable_effect": entry.minimum_detectable_effect,
            "n_items": entry.n_items,
            "n_clusters": entry.n_clusters,
            "limit": limit,
        },
    )


def _measured(comparison: ComparisonRecord, entry: MetricComparison) -> str:
    head = f"{entry.metric} on {comparison.set_name}, against {entry.baseline}"
    if entry.candidate_value is None or entry.baseline_value is None:
        return f"{head} ({entry.n_items} items)"
    values = f"{entry.candidate_value:.4g} and {entry.baseline_value:.4g}"
    if entry.difference is None or entry.low is None or entry.high is None:
        return f"{head} ({entry.n_items} items): {values}"
    interval = f"[{_signed(entry.low, entry)}, {_signed(entry.high, entry)}]"
    size = f"{entry.n_items} items, {entry.n_clusters} clusters"
    return f"{head} ({size}): {values}, difference {_signed(entry.difference, entry)} {interval}"


def _signed(value: float, entry: MetricComparison) -> str:
    return f"{value:+.1%}" if entry.scale == "relative" else f"{value:+.3f}"


def _amount(value: float | None, entry: MetricComparison) -> str:
    if value is None:
        return "unknown size"
    return f"{value:.1%}" if entry.scale == "relative" else f"{value:.3f}"


def _absent(rule: Literal["primary", "guard"], metric: str, set_name: str, baseline: str) -> Reason:
    return Reason(
        rule=rule,
        metric=metric,
        set_name=set_name,
        baseline=baseline,
        passed=False,
        outcome="not measured",
        text=f"{metric} on {set_name}, against {baseline}: not measured.",
        numbers={},
    )
