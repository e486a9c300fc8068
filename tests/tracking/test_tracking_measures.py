"""What trackers are told of an event."""

from __future__ import annotations

import math
from typing import Any

import pytest
from journal_samples import lineage_record

from kamerton.tracking.measures import Measure, alarm_name, alarm_sentence, lineage, measures, seconds_of

STEP = {
    "kind": "step",
    "time": "2026-01-02T03:04:05.250+00:00",
    "step": 7,
    "steps": 9,
    "epoch": 0.5,
    "loss": 1.5,
    "grad_norm": 2,
    "learning_rate": 1e-4,
    "tokens_per_second": 5000.0,
}


def test_a_step_of_an_older_run_has_what_it_has() -> None:
    found = {measure.name: measure.value for measure in measures(STEP)}
    assert found == {"loss": 1.5, "grad_norm": 2.0, "learning_rate": 1e-4, "tokens_per_second": 5000.0, "epoch": 0.5}
    assert {measure.part for measure in measures(STEP)} == {"train"}


def test_memory_seconds_and_the_metrics_of_an_objective_are_told() -> None:
    more = STEP | {"memory_mib": 812, "seconds": 0.25, "metrics": {"reward_margin": 0.3, "loss": 99.0}}
    found = {measure.name: measure.value for measure in measures(more)}
    assert (found["memory_mib"], found["seconds"], found["reward_margin"]) == (812.0, 0.25, 0.3)
    assert found["loss"] == 1.5, "a metric does not take the name of the loss"


def test_an_evaluation_is_its_own_part() -> None:
    event = {"kind": "evaluated", "step": 7, "loss": 1.25, "metrics": {"accuracy": 0.5}, "epoch": 1}
    assert set(measures(event)) == {Measure("eval", "loss", 1.25), Measure("eval", "accuracy", 0.5)}


@pytest.mark.parametrize("value", [math.nan, math.inf, "1.5", None, True, [1.5], {"a": 1}])
def test_what_is_no_finite_number_is_left_out(value: Any) -> None:
    event = {"kind": "step", "step": 1, "loss": value, "grad_norm": 1.0, "metrics": {"kl": value}}
    assert [each.name for each in measures(event)] == ["grad_norm"]


@pytest.mark.parametrize("metrics", [None, "kl", 1.5, [1.5]])
def test_metrics_of_a_wrong_shape_are_none(metrics: Any) -> None:
    assert list(measures({"kind": "step", "step": 1, "metrics": metrics})) == []


@pytest.mark.parametrize("event", [{}, {"kind": "saved", "step": 3}, {"kind": "step", "loss": 1.0}, {"kind": "alarm"}])
def test_other_events_have_no_numbers(event: dict[str, Any]) -> None:
    assert list(measures(event)) == []


def test_an_alarm_is_a_sentence() -> None:
    event = {
        "kind": "alarm",
        "alarm": "spike",
        "step": 40,
        "severity": "warning",
        "symptom": "the loss jumped",
        "evidence": "9.1 after 1.2",
        "cause": "an outlying batch",
        "change": "look at the rows",
    }
    assert alarm_name(event) == "spike"
    assert alarm_sentence(event) == (
        "warning at step 40: the loss jumped; 9.1 after 1.2; likely cause: an outlying batch; change: look at the rows"
    )
    assert alarm_sentence({"kind": "alarm", "symptom": "odd"}) == "alarm: odd"


def test_time_comes_from_the_journal() -> None:
    assert seconds_of(STEP) == 1767323045.25
    assert seconds_of({}) == seconds_of({"time": "soon"}) == 0.0


def test_lineage_names_the_weights() -> None:
    record = lineage_record("r")
    assert lineage(record)["model_sha256"] == record.result.model_sha256
    assert all(lineage(record).values())
