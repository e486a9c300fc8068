"""Several processes share a run: the same loss as one, a clean death, and any number of them goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.digests import digest
from kamerton.journal import read_trace
from kamerton.training.parallel import Processes
from tiny_project import kamerton, write_project

STEADY = ["training.schedule=constant", "training.warmup_steps=0"]
SPEED = ["training.compute.precision=fp32", "training.max_steps=6", "training.checkpoint_every=2"]


def test_the_parts_are_the_whole() -> None:
    items = list(range(11))
    parts = [Processes(rank, 3).part(items) for rank in range(3)]
    assert sorted(item for part in parts for item in part) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_is_a_group_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Processes()
    assert (group.alone, group.main, group.most(3), group.any(False), group.total([0.5])) == (
        True,
        True,
        3,
        False,
        [0.5],
    )
    assert group.tell({"a": 1}) == {"a": 1}
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert [group.threads(wanted) for wanted in (8, 4, 1)] == [2, 1, 1]


def test_each_of_a_group_would_begin_a_run_of_its_own(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, tiny_base)
    monkeypatch.setenv("WORLD_SIZE", "2")
    answer = kamerton(tmp_path, "train", "recipe.yaml")
    assert answer.code == 2
    assert "--on torchrun" in answer.err
    assert not (tmp_path / ".kamerton" / "runs").exists()


def test_processes_without_torchrun_are_refused(tmp_path: Path) -> None:
    answer = kamerton(tmp_path, "train", "recipe.yaml", "--processes", "2")
    assert answer.code == 2
    assert "--on torchrun" in answer.err


def _losses(root: Path, run: str) -> list[float]:
    return [step.loss for step in read_trace(root / ".kamerton" / "runs" / run)]


def _train(root: Path, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "train", *words, "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
@pytest.mark.parametrize("method", ["{kind: lora, rank: 4}", "{kind: full}"])
def test_two_processes_have_the_loss_of_one(tmp_path: Path, tiny_base: Path, strategy: str, method: str) -> None:
    write_project(tmp_path, tiny_base)
    asked = ["recipe.yaml", *SPEED, f"method={method}", f"training.parallel={{strategy: {strategy}}}"]
    alone = _train(tmp_path, *asked)
    together = _train(tmp_path, *asked, "--on", "torchrun", "--processes", "2")
    assert _losses(tmp_path, together["run_id"]) == pytest.approx(_losses(tmp_path, alone["run_id"]), rel=1e-4)
    assert (alone["environment"]["processes"], together["environment"]["processes"]) == (1, 2)
    assert together["result"]["tokens"] == alone["result"]["tokens"]
    again = _train(tmp_path, *asked, "--on", "torchrun", "--processes", "2")
    assert again["result"]["model_sha256"] == together["result"]["model_sha256"]
    assert kamerton(tmp_path, "evaluate", together["run_id"], "--on", "test").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_a_rank_that_dies_ends_the_run_cleanly_and_any_number_goes_on(
    tmp_path: Path, tiny_base: Path, strategy: str
) -> None:
    write_project(tmp_path, tiny_base)
    asked = ["recipe.yaml", *SPEED, f"training.parallel={{strategy: {strategy}}}", "training.max_steps=200", *STEADY]
    started = subprocess.Popen(
        [sys.executable, "-m", "kamerton", "train", *asked, "--on", "torchrun", "--processes", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    runs = tmp_path / ".kamerton" / "runs"
    until = time.monotonic() + 200
    while not list(runs.glob("*/checkpoints/step-00000004")):
        assert time.monotonic() < until, "no checkpoint came"
        assert started.poll() is None
        time.sleep(0.05)
    os.kill(_workers(started.pid)[-1], signal.SIGKILL)
    _, told = started.communicate(timeout=200)
    assert started.returncode == 3, told
    assert "kamerton train --resume" in told
    (run,) = runs.iterdir()
    assert not list(run.glob("record.json"))
    _shorten(run, 10)
    record = _train(tmp_path, "--resume", run.name)
    assert record["result"]["attempts"] == 2
    whole = _train(tmp_path, *asked, "training.max_steps=10")
    assert _losses(tmp_path, run.name) == pytest.approx(_losses(tmp_path, whole["run_id"]), rel=1e-3)


def _workers(launcher: int) -> list[int]:
    """The processes that train, below the launcher and torchrun."""
    import psutil

    (torchrun,) = psutil.Process(launcher).children()
    return [process.pid for process in torchrun.children()]


def _shorten(run: Path, steps: int) -> None:
    """A run of 200 steps would take minutes to end; the schedule of this recipe does not depend on their number."""
    recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    events = (run / "events.jsonl").read_text(encoding="utf-8")
    before = digest(recipe)
    recipe["training"]["max_steps"] = steps
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    (run / "events.jsonl").write_text(events.replace(before, digest(recipe)), encoding="utf-8")


@pytest.mark.slow
def test_a_run_of_two_processes_is_rebuilt_by_two(tmp_path: Path, tiny_base: Path) -> None:
    write_project(tmp_path, tiny_base)
    run = _train(tmp_path, "recipe.yaml", *SPEED, "--on", "torchrun", "--processes", "2")
    answer = kamerton(tmp_path, "rebuild", run["run_id"], "--json")
    assert answer.code == 0, answer.err
    assert answer.document["identical"] is True
    refused = kamerton(tmp_path, "rebuild", run["run_id"], "--segment", "0:2")
    assert refused.code == 2
    assert "processes: 2 shared steps that 1 would make here" in refused.err
    assert f"kamerton rebuild {run['run_id']} makes the whole run again" in refused.err
    alone = _train(tmp_path, "recipe.yaml", *SPEED)
    compared = kamerton(tmp_path, "compare-runs", run["run_id"], alone["run_id"], "--json").document
    assert "environment: processes is 2 and 1" in compared["what_differs"]
    assert (compared["replayed_from"], compared["parting"]) == (None, None)
    assert "processes: 2 shared steps" in compared["conclusion"]
    (tmp_path / ".kamerton" / "runs" / run["run_id"] / "record.json").unlink()
    assert "2 shared steps" in kamerton(tmp_path, "rebuild", run["run_id"], "--segment", "0:2").err
