"""Live following from a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_samples import finish, train

from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.tracking import LiveFollower, connect
from kamerton.tracking.cursor import read_cursor

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


def _until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_a_run_is_followed_while_it_trains(database: Workspace, run: RunFolder) -> None:
    with run.held(), LiveFollower(run, database, every=0.2, grace=20.0) as follower:
        train(run, 1, 2)
        _until(lambda: read_cursor(run.path, "mlflow").offset == (run.path / "events.jsonl").stat().st_size)
        train(run, 3, 4)
        finish(run)
    assert follower.report.state == "in step"
    assert follower.report.sent > 0
    (found,) = connect(database).search_runs(["1"])
    assert found.data.metrics["loss"] == 0.75
    assert found.data.tags["kamerton.model_sha256"]


def test_a_dead_server_costs_nothing(workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with LiveFollower(run, workspace, every=0.2, grace=20.0) as follower:
        train(run, 1, 2)
    assert follower.report.state == "behind"
    assert "127.0.0.1" in follower.report.reason


def test_a_hung_server_is_left_behind(workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, never answers
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        follower = LiveFollower(run, workspace, every=0.2, grace=1.0)
        with follower:
            train(run, 1, 2)
            _until(lambda: (run.path / "follower.lock").exists())
            began = time.monotonic()
        assert time.monotonic() - began < 3
    assert follower.report.state == "behind"


def test_an_error_of_training_goes_through(workspace: Workspace, run: RunFolder) -> None:
    with pytest.raises(ZeroDivisionError), LiveFollower(run, workspace, grace=0.1):
        raise ZeroDivisionError


def test_a_killed_follower_is_a_report(workspace: Workspace, run: RunFolder) -> None:
    follower = LiveFollower(run, workspace)
    with follower:
        assert follower._process is not None
        os.kill(follower._process.pid, signal.SIGKILL)
        follower._process.wait()
    assert follower.report.state == "behind"
    assert "ended early" in follower.report.reason


def test_the_follower_of_a_killed_training_ends_by_itself(database: Workspace, run: RunFolder) -> None:
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from kamerton.ground.settings import Workspace\n"
        "from kamerton.journal import RunFolder\n"
        "from kamerton.tracking import LiveFollower\n"
        "run = RunFolder(Path(sys.argv[1]))\n"
        "with run.held(), LiveFollower(run, Workspace.at(sys.argv[2]), every=60) as follower:\n"
        "    print(follower._process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    training = subprocess.Popen(
        [sys.executable, "-c", program, str(run.path), str(database.root)], stdout=subprocess.PIPE, text=True
    )
    assert training.stdout is not None
    follower = int(training.stdout.readline())
    train(run, 1, 3)
    training.kill()
    training.wait()
    training.stdout.close()
    _until(lambda: not Path(f"/proc/{follower}").exists())
    (found,) = connect(database).search_runs(["1"])
    assert found.data.metrics["loss"] == 1.0
    assert found.info.status == "KILLED"
