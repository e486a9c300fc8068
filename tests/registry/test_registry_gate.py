"""The gate: what passes, and above all what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_samples import POLICY, comparison, entry, good_comparisons

from kamerton.ground.errors import RequestError
from kamerton.recipe import GateSection, Guard, Primary
from kamerton.records.decision import Decision, Reason
from kamerton.registry import decide

SHA = "a" * 64


def _primary(**changes: Any) -> Reason:
    policy = GateSection(primary=Primary(metric="token_f1", better_than=["base"]))
    return decide([comparison([entry(**changes)])], policy, SHA).reasons[0]


def _guard(margin: float = 0.02, metric: str = "perplexity", **changes: Any) -> Reason:
    policy = GateSection(guards=[Guard(metric=metric, on="general", margin=margin)])  # type: ignore[arg-type]
    sets = [comparison([entry()]), comparison([entry(metric, **changes)], "general")]
    return decide(sets, policy, SHA).reasons[1]


def test_all_rules_passed_is_a_pass() -> None:
    decision = decide(good_comparisons(), POLICY, SHA)
    assert decision.verdict == "pass"
    assert [(reason.rule, reason.baseline, reason.outcome) for reason in decision.reasons] == [
        ("primary", "base", "better"),
        ("primary", "few_shot", "better"),
        ("guard", "base", "within the margin"),
    ]
    assert decision.model_sha256 == SHA
    assert decision.policy == POLICY.model_dump(mode="json")
    assert decision.comparisons == {record.set_name: record.digest for record in good_comparisons()}


def test_the_sentences_carry_the_numbers() -> None:
    primary, _, guard = decide(good_comparisons(), POLICY, SHA).reasons
    assert primary.text == (
        "token_f1 on test, against base (100 items, 80 clusters): 0.62 and 0.41, "
        "difference +0.210 [+0.150, +0.270]: better, adjusted p = 0.0006."
    )
    assert guard.text == (
        "perplexity on general, against base (100 items, 80 clusters): 20.1 and 20, "
        "difference +0.5% [-0.4%, +1.4%]: the loss is at most 1.4%, the margin is 2.0%."
    )
    assert primary.numbers["limit"] == 0.05
    assert guard.numbers["limit"] == 0.02


def test_a_decision_is_a_pure_function(tmp_path: Any) -> None:
    first, second = (decide(good_comparisons(), POLICY, SHA) for _ in range(2))
    assert first.digest == second.digest
    assert decide(good_comparisons()[::-1], POLICY, SHA).digest == first.digest
    first.write(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == first


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"p_adjusted": 0.06, "verdict": "no difference shown"}, "not better"),
        ({"low": -0.01}, "not better"),
        ({"low": -0.3, "high": -0.1, "difference": -0.2, "verdict": "worse"}, "not better"),
        ({"p_adjusted": None, "p_value": None, "verdict": "too few items"}, "too few items"),
        ({"low": None, "high": None}, "too few items"),
        ({"p_adjusted": None}, "too few items"),
        ({"verdict": "too few items"}, "too few items"),
        ({"verdict": "not comparable"}, "not comparable"),
        ({"p_adjusted": 0.05}, "better"),
    ],
)
def test_the_primary_rule(changes: dict[str, Any], outcome: str) -> None:
    reason = _primary(**changes)
    assert (reason.outcome, reason.passed) == (outcome, outcome == "better")


def test_a_worse_model_is_called_worse() -> None:
    assert "worse" in _primary(low=-0.3, high=-0.1, difference=-0.2, verdict="worse").text


def test_one_baseline_that_is_not_beaten_closes_the_gate() -> None:
    weak = entry(baseline="few_shot", p_adjusted=0.2, low=-0.01, verdict="no difference shown")
    sets = [comparison([entry(), weak]), good_comparisons()[1]]
    assert decide(sets, POLICY, SHA).verdict == "fail"


def test_a_lower_perplexity_is_better() -> None:
    policy = GateSection(primary=Primary(metric="perplexity", better_than=["base"]))
    drop = entry("perplexity", difference=-0.3, low=-0.4, high=-0.2, p_adjusted=0.001, verdict="better")
    assert decide([comparison([drop])], policy, SHA).verdict == "pass"
    rise = entry("perplexity", difference=0.3, low=0.2, high=0.4, p_adjusted=0.001, verdict="worse")
    assert decide([comparison([rise])], policy, SHA).verdict == "fail"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "within the margin"),
        ({"high": 0.021}, "beyond the margin"),
        ({"low": 0.03, "high": 0.06, "verdict": "worse"}, "beyond the margin"),
        ({"low": 0.03, "high": 0.06, "minimum_detectable_effect": 0.5}, "beyond the margin"),
        ({"minimum_detectable_effect": 0.03}, "too few items"),
        ({"minimum_detectable_effect": None}, "too few items"),
        ({"low": None, "high": None}, "too few items"),
        ({"verdict": "too few items"}, "too few items"),
        ({"verdict": "not comparable"}, "not comparable"),
        ({"low": -0.5, "high": -0.3, "minimum_detectable_effect": 0.1, "verdict": "better"}, "better"),
        ({"low": -0.5, "high": -0.3, "minimum_detectable_effect": 0.1}, "too few items"),
    ],
)
def test_a_relative_guard(changes: dict[str, Any], outcome: str) -> None:
    reason = _guard(**changes)
    assert (reason.outcome, reason.passed) == (outcome, outcome in {"within the margin", "better"})


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"low": -0.04, "high": 0.06}, "within the margin"),
        ({"low": -0.06, "high": 0.06}, "beyond the margin"),
        ({"low": -0.2, "high": -0.1}, "beyond the margin"),
    ],
)
def test_an_absolute_guard(changes: dict[str, Any], outcome: str) -> None:
    measured = {"difference": 0.0, "verdict": "no difference shown", "minimum_detectable_effect": 0.05}
    assert _guard(0.05, "token_f1", **measured | changes).outcome == outcome


def test_what_is_not_measured_does_not_pass() -> None:
    assert decide([], POLICY, SHA).verdict == "fail"
    without_guard = decide(good_comparisons()[:1], POLICY, SHA)
    assert without_guard.verdict == "fail"
    assert without_guard.reasons[-1].text == "perplexity on general, against base: not measured."
    other_metric = decide([comparison([entry("accuracy")]), good_comparisons()[1]], POLICY, SHA)
    assert [reason.outcome for reason in other_metric.reasons[:2]] == ["not measured", "not measured"]


def test_a_gate_without_a_baseline_does_not_pass() -> None:
    decision = decide(good_comparisons(), GateSection(primary=Primary(better_than=[])), SHA)
    assert decision.verdict == "fail"
    assert "no baseline" in decision.reasons[0].text


def test_two_comparisons_of_one_set_are_refused() -> None:
    with pytest.raises(RequestError, match="one set"):
        decide([good_comparisons()[0]] * 2, POLICY, SHA)


@given(
    low=st.floats(-1, 1),
    width=st.floats(0, 1),
    detectable=st.none() | st.floats(0, 2),
    p_adjusted=st.none() | st.floats(0, 1),
    verdict=st.sampled_from(["better", "worse", "no difference shown", "too few items", "not comparable"]),
    margin=st.floats(0, 0.5),
)
def test_nothing_passes_that_may_be_worse(
    low: float, width: float, detectable: float | None, p_adjusted: float | None, verdict: str, margin: float
) -> None:
    changes = {"low": low, "high": low + width, "minimum_detectable_effect": detectable, "p_adjusted": p_adjusted}
    if _primary(**changes, verdict=verdict).passed:
        assert low > 0
        assert p_adjusted is not None
        assert p_adjusted <= 0.05
    if _guard(margin, "token_f1", **changes, verdict=verdict).passed:
        assert low >= -margin
        assert low > 0 or (detectable is not None and detectable <= margin)
