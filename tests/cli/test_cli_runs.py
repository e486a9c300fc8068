"""A run in a process of its own: seen, watched, stopped, and gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kamerton import runs, watch
from kamerton.ground.settings import Workspace
from tiny_project import kamerton, write_project

STEPS = 4000
"""Far more than run while the test looks at them."""


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Workspace:
    write_project(tmp_path, tiny_base)
    return Workspace.at(tmp_path)


@pytest.fixture
def training(project: Workspace) -> Iterator[subprocess.Popen[str]]:
    words = ["train", "recipe.yaml", f"training.max_steps={STEPS}", "training.checkpoint_every=5000", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kamerton", *words],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_running_run_is_seen_watched_stopped_and_resumed(project: Workspace, training: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (found := runs(project)) or not found[0]["step"]:
        assert training.poll() is None, training.communicate()
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.02)
    events = watch("last", project, every=0.05)
    first = next(events)
    assert (first["kind"], first["steps"]) == ("step", STEPS)
    assert runs(project)[0]["state"] == "running"
    second = kamerton(project.root, "train", "--resume", "last")
    assert second.code == 2
    assert "the run is running in another process" in second.err
    early = kamerton(project.root, "evaluate", "last")
    assert early.code == 2, "an unfinished run is no model"

    stopped = kamerton(project.root, "stop", "last", "--json")
    assert (stopped.code, stopped.document["state"]) == (0, "stopped")
    run_id = stopped.document["run_id"]
    assert f"go on with: kamerton train --resume {run_id}" in stopped.err
    kinds = [event["kind"] for event in events]
    assert "saved" in kinds
    assert kinds[-1] in {"stopped", "attempt"}

    out, err = training.communicate(timeout=60)
    assert training.returncode == 130
    document = json.loads(out)
    assert (document["error"], document["mend"]) == ("Interrupted", f"kamerton train --resume {run_id}")
    assert err.splitlines()[-2].startswith("interrupted: ")
    (seen,) = kamerton(project.root, "runs", "--json").document
    assert (seen["state"], seen["steps"], 0 < seen["step"] < STEPS) == ("stopped", STEPS, True)
    assert kamerton(project.root, "stop", "last").code == 2, "it does not run any more"


@pytest.mark.slow
def test_a_run_that_was_killed_is_a_stopped_one(project: Workspace, training: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not runs(project) or runs(project)[0]["state"] != "running":
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.02)
    training.kill()
    training.communicate()
    assert runs(project)[0]["state"] == "stopped"
    done = kamerton(project.root, "watch", "last", "--json")
    assert done.code == 0
    assert isinstance(done.document, dict)
