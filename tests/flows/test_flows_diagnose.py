"""A diagnosis of a run of ours, and of a log of another program."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kamerton.flows.diagnose import diagnose
from kamerton.flows.manager import TrainingMonitor
from kamerton.ground.errors import KamertonError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import read_events
from tiny_project import Finished


def _log(folder: Path, *, broken: bool = False) -> Path:
    lines = [{"step": n, "loss": 1 + 3 * math.exp(-n / 40), "grad_norm": 1.0} for n in range(1, 101)]
    if broken:
        lines[50]["loss"] = math.nan
    path = folder / "trainer_state.json"
    path.write_text(json.dumps({"log_history": lines, "max_steps": 100}), encoding="utf-8")
    return path


def test_a_run_is_diagnosed_as_the_monitor_and_the_run_itself_said(finished: Finished) -> None:
    found = diagnose(finished.run_id, finished.workspace)
    assert found.alarms == TrainingMonitor(finished.run_id, finished.workspace).detect_issues()
    told = [event for event in read_events(finished.run) if event["kind"] == "alarm"]
    assert {(alarm.kind, alarm.step) for alarm in found.alarms} == {(each["alarm"], each["step"]) for each in told}
    assert found.unjudged == []
    assert diagnose(str(finished.run), finished.workspace).alarms == found.alarms


def test_a_changed_trace_is_no_basis_for_a_diagnosis(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    path = project.run / "trace.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(StorageError, match="hash chain is broken at step 1"):
        diagnose(project.run_id, project.workspace)


def test_a_foreign_log_by_file_and_by_folder(tmp_path: Path, workspace: Workspace) -> None:
    path = _log(tmp_path)
    for name in (path, tmp_path):
        found = diagnose(str(name), workspace)
        assert (found.name, found.alarms, found.passed) == (str(path), [], True)
    assert any(sentence.startswith("forgetting") for sentence in found.unjudged)
    _log(tmp_path, broken=True)
    found = diagnose(str(path), workspace)
    assert ([alarm.kind for alarm in found.alarms], found.passed) == (["non_finite"], False)


def test_what_is_nothing_of_both_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(KamertonError, match="neither a run nor"):
        diagnose(str(tmp_path), workspace)
    with pytest.raises(KamertonError, match="no such run"):
        diagnose("no-such-run", workspace)
