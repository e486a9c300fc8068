"""A run that trains raises what its diagnosis finds; policies stop it, skip steps, or stay silent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monitor_samples import healthy, kinds, step, steps, wobble
from training_samples import FULL, LORA, new_run, options, parts, start, train

from kamerton.ground.errors import VerdictError
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.recipe import AlarmsSection, Method
from kamerton.training.monitors import Watch, decide, diagnose
from kamerton.training.monitors.history import Record
from kamerton.training.monitors.journal import run_records
from kamerton.training.network import Network
from kamerton.training.objectives import build_objective
from kamerton.training.validation import measure

SKIP = AlarmsSection(non_finite="skip_step", spike="skip_step")


def _told(run: RunFolder) -> list[tuple[str, int]]:
    return [(event["alarm"], event["step"]) for event in read_events(run.path) if event["kind"] == "alarm"]


def _found(run: RunFolder) -> list[tuple[str, int]]:
    return [(alarm.kind, alarm.step) for alarm in diagnose(run_records(run.path)) if alarm.kind != "throughput"]


@pytest.fixture
def broken_loss(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the loss of some forward passes another one."""
    real = Network.summed_nll

    def break_it(factor: float, *passes: int) -> None:
        calls = {"done": 0}

        def loss(self: Network, batch: Any) -> Any:
            calls["done"] += 1
            return real(self, batch) * (factor if calls["done"] in passes else 1.0)

        monkeypatch.setattr(Network, "summed_nll", loss)

    return break_it


# What is decided before an update.


def test_a_step_is_decided_by_its_numbers_and_the_trace() -> None:
    before = steps([2.0 + 0.1 * wobble(number) for number in range(1, 90)])
    assert decide(SKIP, before, 2.0, 1.0) == "go"
    assert decide(SKIP, before, 9.0, 1.0) == "skip"
    assert decide(SKIP, before[:50], 9.0, 1.0) == "go"
    assert decide(AlarmsSection(), before, 9.0, 1.0) == "go"
    assert decide(AlarmsSection(spike="stop"), before, 9.0, 1.0) == "stop"
    assert decide(AlarmsSection(), before, math.nan, 1.0) == "stop"
    assert decide(SKIP, before, 2.0, math.inf) == "skip"


def test_steps_are_not_skipped_for_ever() -> None:
    before = [step(number, math.nan, withheld=True) for number in range(1, 6)]
    assert decide(SKIP, before[:4], math.nan, 1.0) == "skip"
    assert decide(SKIP, before, math.nan, 1.0) == "stop"


def test_a_watch_says_the_same_however_it_is_fed() -> None:
    records: list[Record] = healthy(120)
    records[90] = replace(records[90], loss=9.0)  # type: ignore[type-var]
    whole = diagnose(records)
    watch = Watch()
    fed = [alarm for record in records for alarm in watch.take(record)]
    assert fed == whole
    assert [alarm.kind for alarm in whole] == ["spike"]
    assert kinds(records[:80]) == []


# Runs.


def test_a_finished_run_is_diagnosed_as_it_was_told(tiny_base: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(tiny_base, run, LORA, options(evaluate_every=3, alarms={}))
    assert _told(run) == _found(run)
    assert ("few_rows", 0) in _told(run)  # ten rows
    events = read_events(run.path)
    checks = [event for event in events if event["kind"] == "evaluated"]
    assert all(len(check["over_start"]) == 2 for check in checks)
    assert "over_lowest" not in checks[0]
    (facts,) = [event for event in events if event["kind"] == "facts"]
    assert (facts["distinct"], facts["leaked"], facts["closed"]) == (10, 0, 1.0)


@pytest.mark.parametrize("method", [LORA, FULL], ids=["lora", "full"])
def test_the_start_model_is_measured_as_it_was_before_the_first_step(
    method: Method, tiny_base: Path, tmp_path: Path
) -> None:
    wanted, run = options(max_steps=2), new_run(tmp_path)
    train(tiny_base, run, method, wanted)
    loaded = start(tiny_base, method, wanted)
    validation = parts(loaded, wanted)["validation"]
    network, objective = Network(loaded, wanted.compute), build_objective(wanted, loaded)
    before = measure(network, objective, validation, 0).totals.tolist()
    assert json.loads((run.path / "start_losses.json").read_text()) == {"validation": before, "general": []}


def test_a_silent_alarm_is_found_in_the_diagnosis_alone(tiny_base: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(tiny_base, run, LORA, options(alarms={"data": "off"}))
    assert "few_rows" not in dict(_told(run))
    assert "few_rows" in dict(_found(run))


def test_a_loss_that_is_no_number_stops_the_run_and_is_found(
    tiny_base: Path, tmp_path: Path, broken_loss: Callable[..., None]
) -> None:
    broken_loss(math.nan, 6)
    run = new_run(tmp_path)
    with pytest.raises(VerdictError, match="became nan at step"):
        train(tiny_base, run, FULL, options(alarms={}))
    alarms = [(kind, step) for kind, step in _found(run) if kind != "few_rows"]
    assert [kind for kind, _ in alarms] == ["non_finite"]
    assert alarms[0] in _told(run)
    assert alarms[0][1] == len(read_trace(run.path)) + 1


def test_a_skipped_step_leaves_the_weights_and_the_run_goes_on(
    tiny_base: Path, tmp_path: Path, broken_loss: Callable[..., None]
) -> None:
    wanted = options(alarms={"non_finite": "skip_step"}, checkpoint_every=1, keep_checkpoints=20)
    broken_loss(math.nan, 4)
    run = new_run(tmp_path)
    train(tiny_base, run, FULL, wanted)
    trace = read_trace(run.path)
    (skipped,) = [line for line in trace if line.skipped]
    assert (len(trace), skipped.loss) == (9, None)
    assert trace[skipped.step - 2].state == skipped.state  # neither the weights nor the optimiser moved
    assert ("non_finite", skipped.step) in _told(run)
    assert json.loads((run.path / "trace.jsonl").read_text(encoding="utf-8").splitlines()[skipped.step - 1])["skipped"]


def test_an_alarm_stops_the_run_and_a_resumption_goes_past_it(tiny_base: Path, tmp_path: Path) -> None:
    whole = new_run(tmp_path, "whole")
    result = train(tiny_base, whole, FULL, options(evaluate_every=3, learning_rate=1.0, alarms={}))
    kind, at = next((kind, at) for kind, at in _told(whole) if kind == "rate_too_high")
    run = new_run(tmp_path, "stopped")
    wanted = options(evaluate_every=3, learning_rate=1.0, alarms={"learning_rate": "stop"})
    with pytest.raises(VerdictError, match=f"the alarm {kind} at step {at} .*; the run was stopped") as error:
        train(tiny_base, run, FULL, wanted)
    assert "--resume" in error.value.mend
    assert (run.state, len(read_trace(run.path))) == ("failed", at)
    again = train(tiny_base, run, FULL, wanted)
    assert again.files == result.files
    assert _found(run) == _found(whole)


def test_an_alarm_about_the_data_stops_before_the_first_step(tiny_base: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    wanted = options(alarms={"data": "stop"})
    with pytest.raises(VerdictError, match=r"the alarm few_rows .*; the run was stopped"):
        train(tiny_base, run, LORA, wanted)
    assert read_trace(run.path) == []
    assert train(tiny_base, run, LORA, wanted).steps == 9


def test_a_resumed_run_raises_what_the_whole_one_did(tiny_base: Path, tmp_path: Path) -> None:
    wanted = options(evaluate_every=2, checkpoint_every=2, learning_rate=1.0, alarms={})
    whole = new_run(tmp_path, "whole")
    train(tiny_base, whole, LORA, wanted)
    cut = new_run(tmp_path, "cut")

    def fall(event: dict[str, Any]) -> None:
        if event.get("step") == 5:
            raise RuntimeError("the machine fell")

    with pytest.raises(RuntimeError):
        train(tiny_base, cut, LORA, wanted, on_progress=fall)
    train(tiny_base, cut, LORA, wanted)
    assert _found(cut) == _found(whole)
    assert set(_told(cut)) == set(_told(whole))
    over = [
        [event["over_start"] for event in read_events(run.path) if event["kind"] == "evaluated"][-1]
        for run in (whole, cut)
    ]
    assert over[0] == over[1]  # against the same start model
