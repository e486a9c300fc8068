"""The run folder: its states, its lock, and how a run is found."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run, list_runs

HOLDER = """
import sys, time
from pathlib import Path
from kamerton.journal import RunFolder
run = RunFolder(Path(sys.argv[1]))
with run.held():
    run.event("started")
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(run: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """A real process that holds the run until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return RunFolder.create(workspace.runs, {"name": "ż"}, "model")


def test_a_new_run_has_its_recipe_and_nothing_else(workspace: Workspace, run: RunFolder) -> None:
    assert re.fullmatch(r"model-\d{8}-\d{6}-[0-9a-f]{4}", run.run_id)
    assert run.path.parent == workspace.runs
    assert run.recipe() == {"name": "ż"}
    assert [path.name for path in run.path.iterdir()] == ["recipe.json"]
    assert run.state == "stopped"
    places = {run.checkpoints, run.model, run.record_file, run.stop_file}
    assert {place.parent for place in places} == {run.path}
    assert len(places) == 4
    assert RunFolder.create(workspace.runs, {}, "model").path != run.path


def test_a_run_goes_through_its_states(run: RunFolder) -> None:
    with holder(run) as process:
        assert run.state == "running"
        assert run.state == "running", "to ask does not change the answer"
        with pytest.raises(RequestError, match="running in another process") as caught, run.held():
            pass
        assert caught.value.where == run.run_id
        assert "kamerton stop" in caught.value.mend
        assert (run.path / "run.lock").read_text() == str(process.pid), "who is refused leaves no trace"

        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        assert run.state == "stopped"

    run.event("failed", reason="loss is NaN")
    assert run.state == "failed"
    with run.held():
        assert run.state == "running"
        assert (run.path / "run.lock").read_text() == str(os.getpid())
        run.event("resumed")
    assert run.state == "stopped"
    run.record_file.write_text("{}")
    assert run.state == "complete"


def test_a_process_that_ends_lets_go(run: RunFolder) -> None:
    with holder(run) as process:
        process.communicate("\n", timeout=10)
        assert process.returncode == 0
        with run.held():
            assert run.state == "running"
    assert run.state == "stopped"


def test_an_error_inside_lets_go(run: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), run.held():
        raise ZeroDivisionError
    with run.held():
        pass


def test_a_run_that_is_watched_can_be_taken(run: RunFolder) -> None:
    """Asking for the state takes the lock for a moment; the process that starts the run must not fall over that."""
    with run.held():
        pass
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            assert run.state in {"running", "stopped"}

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(100):
            with run.held():
                pass
    finally:
        over.set()
        watcher.join()


def test_who_waits_for_the_lock_gives_up_soon(run: RunFolder) -> None:
    with run.held():
        begun = time.monotonic()
        with pytest.raises(RequestError), run.held():
            pass
        assert time.monotonic() - begun < 5


def test_a_stop_request_counts_for_the_run_that_is_on(run: RunFolder) -> None:
    run.request_stop()
    with run.held():
        assert not run.stop_file.exists(), "an old request does not stop a resumed run"
        run.request_stop()
        assert run.stop_file.exists()


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "3", "\udcff"])
def test_a_missing_or_damaged_recipe_is_named(run: RunFolder, text: str | None) -> None:
    path = run.path / "recipe.json"
    path.unlink() if text is None else path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StorageError, match="missing or damaged") as caught:
        run.recipe()
    assert caught.value.where == str(path)


def test_a_foreign_line_among_the_events_does_not_hide_the_state(run: RunFolder) -> None:
    with (run.path / "events.jsonl").open("w") as file:
        file.write('{"note":"no kind"}\n')
    assert run.state == "stopped"


def test_a_folder_that_may_not_be_written_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(StorageError, match="permission denied"):
        RunFolder.create(workspace.runs, {}, "model")


# Finding a run.


def made(workspace: Workspace, *names: str) -> list[RunFolder]:
    runs = []
    for age, name in enumerate(names):
        run = RunFolder(workspace.runs / name)
        run.path.mkdir(parents=True)
        (run.path / "recipe.json").write_text("{}")
        os.utime(run.path / "recipe.json", (1000 + age, 1000 + age))
        runs.append(run)
    return runs


def test_runs_are_listed_oldest_first(workspace: Workspace) -> None:
    assert list_runs(workspace) == []
    runs = made(workspace, "b", "c", "a")
    (workspace.runs / "no-recipe").mkdir()
    (workspace.runs / "a-file").write_text("x")
    assert list_runs(workspace) == runs


def test_a_run_is_found_by_all_its_names(workspace: Workspace) -> None:
    first, second, third = made(workspace, "model-1", "model-12", "other-1")
    assert find_run(workspace, "last") == third
    assert find_run(workspace, "model-1") == first, "a whole id is not a beginning"
    assert find_run(workspace, "model-12") == second
    assert find_run(workspace, "oth") == third
    assert find_run(workspace, str(second.path)) == second
    assert find_run(workspace, f"{second.path}/") == second


def test_a_run_elsewhere_is_found_by_its_path(workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "recipe.json").write_text("{}")
    assert find_run(workspace, str(elsewhere)).path == elsewhere


@pytest.mark.parametrize("name", ["x", "", "odel", "../model-1", "model-123", "."])
def test_a_run_that_is_not_there_is_refused(
    workspace: Workspace, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made(workspace, "model-1")
    with pytest.raises(RequestError, match="no such run") as caught:
        find_run(workspace, name)
    assert caught.value.where
    assert caught.value.mend == "kamerton runs"


def test_an_ambiguous_name_is_refused_with_its_candidates(workspace: Workspace) -> None:
    made(workspace, "model-1", "model-2", "model-3", "model-4")
    with pytest.raises(RequestError, match="several runs begin so") as caught:
        find_run(workspace, "model")
    assert caught.value.expected == "model-1 or model-2 or model-3"


def test_last_needs_a_run(workspace: Workspace) -> None:
    with pytest.raises(RequestError, match="no such run"):
        find_run(workspace, "last")
