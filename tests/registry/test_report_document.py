"""The JSON view: what it holds, what it says is missing, and where it doubts."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from report_sample import RUN_ID, bare, data, rebuild, sample, trace, with_first_item

from kamerton.ground.digests import digest
from kamerton.registry.report import build_document
from kamerton.registry.report.inputs import ReportInputs


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return sample()


def test_equal_records_give_equal_documents(inputs: ReportInputs) -> None:
    assert json.dumps(build_document(inputs)) == json.dumps(build_document(sample()))


def test_nothing_is_missing_or_doubtful_in_a_complete_sample(inputs: ReportInputs) -> None:
    document = build_document(inputs)
    assert document["missing"] == []
    assert document["doubts"] == []
    assert document["decision"]["verdict"] == "pass"
    assert document["primary_metric"] == "accuracy"
    assert [part["name"] for part in document["evaluation"]["sets"]] == ["test", "general"]
    assert document["evaluation"]["sets"][0]["models"][0]["model"] == document["candidate"] == "urzad"


def test_a_bare_run_names_each_missing_part_with_its_command() -> None:
    document = build_document(bare())
    commands = {each["part"]: each["command"] for each in document["missing"]}
    assert set(commands) == {"data", "evaluation", "comparison", "decision", "rebuild"}
    assert commands["rebuild"] == f"kamerton rebuild {RUN_ID}"
    assert document["decision"] is document["evaluation"] is document["examples"] is document["rebuild"] is None
    assert document["training"]["points"] == []


def test_a_decision_about_other_weights_gives_no_verdict(inputs: ReportInputs) -> None:
    assert inputs.decision is not None
    other = inputs.decision.model_copy(update={"model_sha256": digest("other weights")})
    document = build_document(replace(inputs, decision=other))
    assert document["decision"]["verdict"] is None
    assert document["doubts"] == ["decision_of_other_weights"]


def test_records_that_do_not_fit_together_are_doubted(inputs: ReportInputs) -> None:
    changed = data().model_copy(update={"fingerprint": digest("other rows")})
    assert build_document(replace(inputs, data=changed))["doubts"] == ["data_of_other_run"]
    assert build_document(replace(inputs, trace=trace(100)))["doubts"] == ["trace_of_other_run"]
    foreign = rebuild(recorded_sha256=digest("x"), rebuilt_sha256=digest("x"))
    assert build_document(replace(inputs, rebuild=foreign))["doubts"] == ["rebuild_of_other_weights"]
    own, *others = inputs.evaluations
    edited = own.model_copy(update={"cut_off": own.cut_off + 1})
    assert build_document(replace(inputs, evaluations=[edited, *others]))["doubts"] == [
        "comparison_of_other_evaluations"
    ]
    test, prose = inputs.comparisons
    again = test.model_copy(update={"seed": 7})
    assert build_document(replace(inputs, comparisons=[again, prose]))["doubts"] == ["decision_of_other_comparisons"]


def test_the_worst_examples_are_the_wrong_ones(inputs: ReportInputs) -> None:
    found = build_document(inputs)["examples"]
    assert len(found["items"]) == 10
    assert found["of"] == 112
    values = [item["values"]["accuracy"] for item in found["items"]]
    assert values == sorted(values)
    wrong = sum(item.values["accuracy"] == 0.0 for item in inputs.evaluations[0].items)
    assert values.count(0.0) == min(wrong, 10) > 0


def test_a_long_answer_is_cut_and_counted(inputs: ReportInputs) -> None:
    values = dict.fromkeys(inputs.evaluations[0].metrics, 0.0) | {"perplexity": 1e9}
    long = with_first_item(inputs, prediction="ż" * 2500, values=values)
    first = build_document(long)["examples"]["items"][0]
    assert first["item"] == 1
    assert first["got"] == {"text": "ż" * 2000, "left_out": 500}


def test_a_later_evaluation_of_the_same_model_replaces_the_earlier(inputs: ReportInputs) -> None:
    own = inputs.evaluations[0].model_copy(update={"cut_off": 99})
    document = build_document(replace(inputs, evaluations=[*inputs.evaluations, own], comparisons=[], decision=None))
    models = document["evaluation"]["sets"][0]["models"]
    assert [model["model"] for model in models] == ["urzad", "base", "few_shot"]
    assert models[0]["cut_off"] == 99


def test_category_values_are_the_means_of_their_items(inputs: ReportInputs) -> None:
    found = build_document(inputs)["evaluation"]["categories"]
    assert found["metric"] == "accuracy"
    row = next(row for row in found["rows"] if row["category"] == "Drogi")
    items = [item for item in inputs.evaluations[1].items if item.category == "Drogi"]
    assert row["n_items"] == len(items)
    assert row["values"]["base"] == pytest.approx(sum(item.values["accuracy"] or 0 for item in items) / len(items))
    shown = [row["values"]["urzad"] for row in found["rows"]]
    assert shown == sorted(shown, reverse=True)


def test_a_long_trace_is_thinned_by_means_weighted_with_tokens() -> None:
    steps = trace(1000)
    training = build_document(replace(bare(), trace=steps))["training"]
    assert training["steps_per_point"] == 3
    assert len(training["points"]) == math.ceil(1000 / 3)
    tokens = sum(step.tokens for step in steps[:3])
    expected = sum(step.loss * step.tokens for step in steps[:3]) / tokens
    assert training["points"][0]["loss"] == pytest.approx(expected)
    assert training["points"][0]["step"] == 3
    assert training["points"][-1]["step"] == 1000


def test_a_spike_in_a_long_trace_stays_in_its_point() -> None:
    steps = trace(5000)
    steps[2500] = replace(steps[2500], loss=77.0, grad_norm=99.0)
    points = build_document(replace(bare(), trace=steps))["training"]["points"]
    assert len(points) <= 400
    assert max(point["loss_high"] for point in points) == 77.0
    assert max(point["grad_norm_high"] for point in points) == 99.0
    assert min(point["loss_low"] for point in points) == min(step.loss for step in steps)
    assert all(point["loss_low"] <= point["loss"] <= point["loss_high"] for point in points)


def test_what_the_journal_measured_is_thinned_like_the_trace() -> None:
    events = [
        {"kind": "step", "step": step, "tokens_per_second": 10.0, "memory_mib": step, "metrics": {"kl": -step}}
        for step in range(1, 1001)
    ]
    events[499]["tokens_per_second"] = 1.0
    training = build_document(replace(bare(), trace=trace(1000), events=events))["training"]
    assert set(training["curves"]) == {"tokens_per_second", "memory_mib", "kl"}
    speed, memory = training["curves"]["tokens_per_second"], training["curves"]["memory_mib"]
    assert len(speed) == len(training["points"])
    assert min(point["low"] for point in speed) == 1.0
    assert (memory[0]["value"], memory[0]["low"], memory[0]["high"], memory[-1]["step"]) == (2.0, 1.0, 3.0, 1000)


def test_alarms_and_resumptions_are_listed_once() -> None:
    alarm = {"kind": "alarm", "alarm": "spike", "step": 12, "symptom": "the loss jumped", "cause": None}
    events = [
        {"kind": "step", "step": 12, "memory_mib": 1.0, "metrics": {"kl": float("nan")}},
        alarm | {"evidence": "old"},
        {"kind": "resumed", "step": 10},
        {"kind": "step", "step": 12, "memory_mib": 2.0, "metrics": None},
        alarm | {"evidence": "new"},
        {"kind": "alarm"},
        {"kind": "evaluated", "step": 12, "loss": None, "metrics": {"accuracy": 0.5}},
    ]
    training = build_document(replace(bare(), events=events))["training"]
    assert [(each["alarm"], each["step"], each["evidence"]) for each in training["alarms"]] == [
        ("alarm", 0, ""),
        ("spike", 12, "new"),
    ]
    assert training["resumed"] == [10]
    assert [point["value"] for point in training["curves"]["memory_mib"]] == [2.0]
    assert "kl" not in training["curves"]
    assert training["validation_curves"] == {"accuracy": [{"step": 12, "value": 0.5}]}


def test_a_short_trace_is_not_smoothed_away() -> None:
    training = build_document(replace(bare(), trace=trace(5)))["training"]
    assert training["smooth_window"] == 1
    assert [point["smooth_loss"] for point in training["points"]] == [step.loss for step in trace(5)]


def test_validation_measured_twice_after_a_resumption_counts_once() -> None:
    events = [
        {"kind": "evaluated", "step": 20, "loss": 2.0},
        {"kind": "resumed", "step": 10},
        {"kind": "evaluated", "step": 20, "loss": 1.5},
        {"kind": "evaluated", "step": 10, "loss": 3.0},
        {"kind": "step", "step": 21, "tokens_per_second": 4000.0},
    ]
    training = build_document(replace(bare(), events=events))["training"]
    assert training["validation"] == [{"step": 10, "loss": 3.0}, {"step": 20, "loss": 1.5}]
    assert training["tokens_per_second"] == 4000.0


def test_findings_are_grouped_and_counted(inputs: ReportInputs) -> None:
    first, second = build_document(inputs)["data"]["findings"]
    assert (first["kind"], first["count"], len(first["shown"]), first["errors"]) == ("exact_duplicate", 8, 5, 0)
    assert (second["kind"], second["count"]) == ("control_character", 1)


def test_every_record_is_named_by_its_digest(inputs: ReportInputs) -> None:
    digests = {each["digest"] for each in build_document(inputs)["records"]}
    records = [inputs.run, inputs.data, *inputs.evaluations, *inputs.comparisons, inputs.decision, inputs.rebuild]
    assert digests == {record.digest for record in records if record is not None}
