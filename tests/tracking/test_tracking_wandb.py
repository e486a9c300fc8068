"""Weights & Biases without a network: the offline run is read back record by record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from journal_samples import begin, finish, raise_alarm, train

from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.tracking import sync
from kamerton.tracking.wandb_follower import wandb_folder

pytest.importorskip("wandb", reason="the extra `wandb` is not installed")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::wandb"), pytest.mark.usefixtures("no_account")]

BLOCK = 32768


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb-home"))


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return begin(workspace, "wandb")


def _records(file: Path) -> list[Any]:
    """The records of a `.wandb` file: the log format of LevelDB after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, part, found = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            found.append(Record.FromString(part))
            part = b""
    return found


def _offline(run: RunFolder, workspace: Workspace) -> list[Any]:
    (file,) = wandb_folder(run, workspace).glob("wandb/offline-run-*/*.wandb")
    return _records(file)


def _history(records: list[Any], name: str) -> list[tuple[int, float]]:
    rows = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if name in items:
                rows.append((record.history.step.num, items[name]))
    return rows


def _summary(records: list[Any]) -> dict[str, str]:
    items = [item for record in records for item in record.summary.update]
    return {item.key or "/".join(item.nested_key): item.value_json for item in items}


def test_a_finished_run_is_there_without_an_account(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 3)
    raise_alarm(run, 2)
    finish(run)
    report = sync(run, workspace)
    assert (report.state, report.reason) == ("in step", "")
    records = _offline(run, workspace)
    assert _history(records, "train/loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert _history(records, "eval/loss") == [(3, 2.5)]
    summary = _summary(records)
    assert "likely cause: an outlying batch" in summary["alarm/spike"]
    assert summary["kamerton/model_sha256"]
    started = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (started.display_name, started.project) == (run.run_id, "letters")
    assert sync(run, workspace).sent == 0


def _sync_and_die(run: RunFolder, workspace: Workspace, **environment: str) -> str:
    """Synchronise in a process that is killed right afterwards; the reason of its report."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from kamerton.ground.settings import Workspace\n"
        "from kamerton.journal import RunFolder\n"
        "from kamerton.tracking import sync\n"
        "for _ in range(2):\n"
        "    print(sync(RunFolder(Path(sys.argv[1])), Workspace.at(sys.argv[2])).reason, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(run.path), str(workspace.root)]
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    ended = subprocess.run(command, env=alone | environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    return ended.stdout


def test_a_follower_that_was_killed_begins_the_offline_run_anew(workspace: Workspace, run: RunFolder) -> None:
    with run.held():
        train(run, 1, 3)
        assert _sync_and_die(run, workspace) == "\n\n"
        train(run, 4, 5)
    finish(run)
    assert sync(run, workspace).state == "in step"
    assert [step for step, _ in _history(_offline(run, workspace), "train/loss")] == [1, 2, 3, 4, 5]


def test_a_run_is_followed_piece_by_piece_and_repeats_no_step(workspace: Workspace, run: RunFolder) -> None:
    with run.held():
        train(run, 1, 5)
        sync(run, workspace)
        run.event("resumed", step=2, steps=6)
        train(run, 3, 6)
        sync(run, workspace)
    finish(run)
    sync(run, workspace)
    records = _offline(run, workspace)
    assert [step for step, _ in _history(records, "train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in _history(records, "eval/loss")] == [5, 6]


def test_a_run_that_goes_on_after_its_end_is_there_as_a_whole(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 2)
    run.event("stopped", step=2, reason="requested")
    assert sync(run, workspace).state == "in step"
    run.event("resumed", step=2, steps=4)
    train(run, 3, 4)
    finish(run)
    assert sync(run, workspace).state == "in step"
    assert [step for step, _ in _history(_offline(run, workspace), "train/loss")] == [1, 2, 3, 4]


def test_disabled_is_told_nothing(workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    finish(run)
    assert (sync(run, workspace).sent, sync(run, workspace).state) == (0, "in step")
    assert not wandb_folder(run, workspace).exists()


@pytest.mark.parametrize(("mode", "reason"), [("online", "WANDB_API_KEY is not set"), ("sideways", "WANDB_MODE")])
def test_a_mode_that_cannot_be_is_a_reason(
    workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch, mode: str, reason: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    finish(run)
    report = sync(run, workspace)
    assert report.state == "behind"
    assert reason in report.reason


def test_a_server_that_is_away_is_a_reason_and_caught_up_with(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 2)
    finish(run)
    key = "k" * 40
    reasons = _sync_and_die(run, workspace, WANDB_API_KEY=key, WANDB_BASE_URL="http://127.0.0.1:9").splitlines()
    assert len(reasons) == 2
    assert all(reason.startswith("wandb: ") and "in use" not in reason for reason in reasons), reasons
    assert key not in "".join(reasons) + (run.path / "follower.jsonl").read_text()
    assert sync(run, workspace).state == "in step"
    assert [step for step, _ in _history(_offline(run, workspace), "train/loss")] == [1, 2]


def test_without_the_package_the_reason_has_the_command(
    workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(run)
    monkeypatch.setitem(sys.modules, "wandb", None)
    report = sync(run, workspace)
    assert report.state == "behind"
    assert "pip install 'kamerton[wandb]'" in report.reason
