"""Watching a run: from its journal, piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kamerton.flows.follow import watch
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    folder = RunFolder.create(workspace.runs, {"name": "letters"}, "letters")
    folder.event("started", steps=3)
    for step in (1, 2):
        folder.event("step", step=step, steps=3, loss=1.0)
    folder.event("saved", step=2)
    return folder


def _kinds(events: Any) -> list[tuple[str, int | None]]:
    return [(event["kind"], event.get("step")) for event in events]


def test_a_finished_run_is_shown_from_its_newest_step(workspace: Workspace, run: RunFolder) -> None:
    assert _kinds(watch("last", workspace)) == [("step", 2), ("saved", 2)]


def test_with_its_history_it_is_shown_from_the_beginning(workspace: Workspace, run: RunFolder) -> None:
    found = _kinds(watch("last", workspace, history=True))
    assert found == [("started", None), ("step", 1), ("step", 2), ("saved", 2)]


@pytest.mark.parametrize("history", [True, False])
def test_what_comes_is_shown_once(workspace: Workspace, run: RunFolder, history: bool) -> None:
    with run.held():
        events = watch(run.run_id, workspace, every=0.01, history=history)
        before = [next(events) for _ in range(4 if history else 2)]
        run.event("step", step=3, steps=3, loss=1.0)
        assert next(events)["step"] == 3
    assert _kinds(before)[-1] == ("saved", 2)
    assert list(events) == []


def test_a_line_that_a_killed_process_left_is_passed_over(workspace: Workspace, run: RunFolder) -> None:
    journal: Path = run.path / "events.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"kind":"ste')
    run.event("resumed", step=2, steps=3)
    assert _kinds(watch("last", workspace)) == [("step", 2), ("saved", 2), ("resumed", 2)]
