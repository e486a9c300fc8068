"""The two classes of the field's tutorials, used as a tutorial would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kamerton import FineTuningManager, KamertonError, TrainingMonitor, Workspace
from kamerton.journal import append_event
from tiny_project import Finished, write_project


def test_a_tutorial_from_data_to_comparison(tmp_path: Path, tiny_base: Path) -> None:
    recipe, place = write_project(tmp_path, tiny_base), Workspace.at(tmp_path)
    manager = FineTuningManager(recipe, place, overrides=["training.max_steps=12"])
    with pytest.raises(KamertonError, match="nothing was trained yet"):
        manager.evaluate_model()

    assert manager.validate_data().passed
    assert not place.home.exists(), "looking keeps nothing"
    prepared = manager.prepare_data()
    assert prepared.lineage.versions == {
        "train": "tiny@v1",
        "validation": "tiny.validation@v1",
        "test": "tiny.test@v1",
    }

    seen: list[dict[str, Any]] = []
    record = manager.start_training(on_progress=seen.append)
    assert record.result.steps == 12
    assert [event["step"] for event in seen if "loss" in event] == list(range(1, 13))
    assert [event["kind"] for event in manager.monitor_progress()][-1] == "finished"

    evaluations = manager.evaluate_model()
    assert {found.model for found in evaluations} == {"tuned", "base", "few_shot"}
    test, general = manager.compare_models()
    assert (test.set_name, general.set_name) == ("test", "general")

    monitor = TrainingMonitor("last", place)
    metrics = monitor.track_metrics()
    assert sum(event["kind"] == "step" for event in metrics) == 12
    assert any(event["kind"] == "evaluated" for event in metrics)
    assert {alarm.kind for alarm in monitor.detect_issues()} <= {"few_rows", "forgetting", "throughput"}  # 46 rows
    assert monitor.validate_results() == []
    assert monitor.generate_report("pl")["html"].is_file()


def test_a_trace_that_was_changed_is_found(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    path = project.run / "trace.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    monitor = TrainingMonitor(project.run_id, project.workspace)
    assert monitor.validate_results() == ["trace: its end is not the recorded one"]
    path.write_text("".join([*lines[:2], *lines[3:]]), encoding="utf-8")
    assert monitor.validate_results() == ["trace: the hash chain is broken at step 3"]


def test_issues_come_from_the_journal(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    append_event(project.run, "failed", reason="the loss became nan at step 21")
    found = {alarm.kind: alarm for alarm in TrainingMonitor("last", project.workspace).detect_issues()}
    assert (found["failed"].step, found["failed"].evidence) == (20, "the loss became nan at step 21")


def test_a_run_that_is_not_there_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(KamertonError, match="no such run"):
        TrainingMonitor("last", workspace)
    with pytest.raises(KamertonError, match="no such run"):
        TrainingMonitor("", workspace)
