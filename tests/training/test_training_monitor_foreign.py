"""Logs of other programs: the same alarms, and what they cannot show is said."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from monitor_samples import falling, wobble

from kamerton.ground.errors import DataError, RequestError
from kamerton.training.monitors import diagnose
from kamerton.training.monitors.foreign import read_foreign
from kamerton.training.monitors.history import Step


def _state(folder: Path, history: list[dict[str, Any]], steps: int = 400) -> Path:
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": history, "max_steps": steps, "global_step": steps}), encoding="utf-8")
    return path


def _history(count: int) -> list[dict[str, Any]]:
    return [
        {"step": 10 * n, "loss": falling(n), "grad_norm": 1.0, "learning_rate": 1e-4, "epoch": n / 20}
        for n in range(1, count + 1)
    ]


def test_a_healthy_trainer_state_has_no_alarm(tmp_path: Path) -> None:
    history = [*_history(40), {"train_runtime": 3.0, "train_loss": 2.0, "step": 400}]
    history.insert(20, {"step": 200, "eval_loss": 2.0, "eval_runtime": 1.0})
    run = read_foreign(_state(tmp_path, history))
    assert diagnose(run.records) == []
    said = " ".join(run.unjudged)
    assert "forgetting" in said
    assert "throughput" in said
    assert "about 10 steps" in said
    assert "over_fitting" not in said


def test_nan_and_over_fitting_are_found(tmp_path: Path) -> None:
    history = _history(40)
    history[30]["grad_norm"] = float("nan")
    (alarm,) = diagnose(read_foreign(_state(tmp_path, history)).records)
    assert (alarm.kind, alarm.step) == ("non_finite", 310)
    history = _history(40)
    for place, loss in ((40, 2.4), (30, 2.2), (20, 2.0), (10, 2.1)):
        history.insert(place, {"step": 10 * place, "eval_loss": loss})
    (alarm,) = diagnose(read_foreign(_state(tmp_path, history)).records)
    assert (alarm.kind, alarm.step) == ("over_fitting", 400)


def test_a_llamafactory_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trainer_log.jsonl"
    lines = [{"current_steps": n, "total_steps": 60, "loss": 2.0, "lr": 1e-4, "epoch": n / 60} for n in range(1, 61)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run = read_foreign(path)
    assert [alarm.kind for alarm in diagnose(run.records)] == ["under_fitting"]
    assert any("grad_norm" in sentence for sentence in run.unjudged)


def test_a_log_whose_last_line_is_half_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trainer_log.jsonl"
    lines = [{"current_steps": n, "total_steps": 90, "loss": 2.0, "lr": 1e-4} for n in range(1, 61)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.write_text(text + text[:20], encoding="utf-8")
    run = read_foreign(path)
    assert len([record for record in run.records if isinstance(record, Step)]) == 60
    assert diagnose(run.records) == []
    said = " ".join(run.unjudged)
    assert "the last line" in said
    assert "does not reach" in said


@pytest.mark.parametrize("more", [{"global_step": 405}, {"log_history": {"step": 405, "train_runtime": 3.0}}])
def test_the_end_counts_though_its_last_steps_were_not_logged(tmp_path: Path, more: dict[str, Any]) -> None:
    history = [{"step": 10 * n, "loss": 2.0 + 0.01 * wobble(n), "learning_rate": 1e-4} for n in range(1, 41)]
    state: dict[str, Any] = {"log_history": history, "max_steps": 405, "global_step": 400}
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    assert diagnose(read_foreign(path).records) == []
    if "log_history" in more:
        more = {"log_history": [*history, more["log_history"]]}
    path.write_text("\ufeff" + json.dumps(state | more), encoding="utf-8")
    assert [alarm.kind for alarm in diagnose(read_foreign(path).records)] == ["under_fitting"]


def test_numbers_that_are_none_are_passed_over(tmp_path: Path) -> None:
    history = _history(40)
    history[3]["learning_rate"] = math.nan
    history.insert(5, {"step": math.inf, "loss": 2.0})
    run = read_foreign(_state(tmp_path, history))
    assert diagnose(run.records) == []
    history[7]["loss"] = 10**400
    (alarm,) = diagnose(read_foreign(_state(tmp_path, history)).records)
    assert alarm.kind == "non_finite"


@pytest.mark.parametrize("trend", [0.001, -0.001])
def test_the_loss_of_learning_from_rewards_is_not_taken_for_progress(tmp_path: Path, trend: float) -> None:
    history = [
        {"step": n, "loss": 0.01 * wobble(n) + trend * n, "grad_norm": 1.0, "learning_rate": 1e-5, "reward": n / 400}
        for n in range(1, 401)
    ]
    run = read_foreign(_state(tmp_path, history))
    assert diagnose(run.records) == []
    assert any("rewards" in sentence for sentence in run.unjudged)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not json",
        '{"log_history": 3}',
        '{"log_history": [3]}',
        '{"log_history": [{"step": 1}]}',
        "null\n3",
        "[" * 200_000,
        '{"current_steps": 1, "loss": 2.0}\nhalf\n{"current_steps": 2, "loss": 2.0}\n',
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_foreign(path)
    assert error.value.where == str(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_foreign(tmp_path / "none.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="cannot be read"):
        read_foreign(tmp_path / "binary")
