"""The event file, read back by TensorBoard itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from journal_samples import begin, finish, raise_alarm, train

from kamerton.ground.digests import canonical_json
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.tracking import sync, unavailable
from kamerton.tracking.tensorboard_follower import event_file

pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return begin(workspace, "tensorboard")


def _read(run: RunFolder, workspace: Workspace) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(event_file(run, workspace).parent), size_guidance={"tensors": 0, "scalars": 0})
    return accumulator.Reload()


def _scalars(run: RunFolder, workspace: Workspace, tag: str) -> list[tuple[int, float]]:
    from tensorboard.util.tensor_util import make_ndarray

    found = _read(run, workspace)
    if tag in found.Tags()["scalars"]:
        return [(event.step, event.value) for event in found.Scalars(tag)]
    return [(event.step, float(make_ndarray(event.tensor_proto))) for event in found.Tensors(tag)]


def _text(run: RunFolder, workspace: Workspace, tag: str) -> str:
    (event,) = _read(run, workspace).Tensors(tag)
    return str(event.tensor_proto.string_val[0].decode())


def test_a_finished_run_is_there_as_a_whole(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 3)
    raise_alarm(run, 2)
    finish(run)
    report = sync(run, workspace)
    assert (report.state, report.reason) == ("in step", "")
    assert _scalars(run, workspace, "train/loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert _scalars(run, workspace, "eval/loss") == [(3, 2.5)]
    assert [step for step, _ in _scalars(run, workspace, "train/grad_norm")] == [1, 2, 3]
    assert "likely cause: an outlying batch" in _text(run, workspace, "alarm/spike")
    assert '"base":"tiny-pl"' in _text(run, workspace, "recipe")
    assert "model_sha256" in _text(run, workspace, "lineage")
    assert sync(run, workspace).sent == 0


def test_the_file_is_a_function_of_the_journal(workspace: Workspace, run: RunFolder) -> None:
    """Piece by piece or at once, the bytes are equal."""
    for step in (1, 2, 3):
        train(run, step, step)
        sync(run, workspace)
    finish(run)
    sync(run, workspace)
    pieces = event_file(run, workspace).read_bytes()
    event_file(run, workspace).unlink()
    assert sync(run, workspace).state == "in step"
    assert event_file(run, workspace).read_bytes() == pieces


@pytest.mark.parametrize("damage", ["cursor lost", "cursor behind", "file cut", "file longer", "file lost"])
def test_whoever_was_killed_leaves_no_step_twice(workspace: Workspace, run: RunFolder, damage: str) -> None:
    train(run, 1, 3)
    sync(run, workspace)
    whole, cursor = event_file(run, workspace).read_bytes(), run.path / "follower_tensorboard.json"
    if damage == "cursor lost":
        cursor.unlink()
    elif damage == "cursor behind":  # killed after the write, before the note of it
        before = canonical_json(json.loads(cursor.read_text()))
        train(run, 4, 5)
        sync(run, workspace)
        whole = event_file(run, workspace).read_bytes()
        cursor.write_text(before)
    elif damage == "file cut":
        event_file(run, workspace).write_bytes(whole[:-9])
    elif damage == "file longer":  # half a record, of a batch that was never noted
        event_file(run, workspace).write_bytes(whole + whole[-30:-7])
    else:
        event_file(run, workspace).unlink()
    assert sync(run, workspace).state == "in step"
    assert event_file(run, workspace).read_bytes() == whole


def test_steps_that_a_resumption_repeats_are_shown_once(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 5)
    run.event("resumed", step=2, steps=6)
    train(run, 3, 6)
    sync(run, workspace)
    assert [step for step, _ in _scalars(run, workspace, "train/loss")] == [1, 2, 3, 4, 5, 6]


def test_a_place_that_cannot_be_written_is_a_reason(workspace: Workspace, run: RunFolder) -> None:
    train(run, 1, 2)
    (workspace.home / "tensorboard").write_text("a file")
    report = sync(run, workspace)
    assert report.state == "behind"
    assert report.reason.startswith("tensorboard: ")
    (workspace.home / "tensorboard").unlink()
    assert sync(run, workspace).state == "in step"


def test_without_the_package_the_reason_has_the_command(
    workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run, 1, 2)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    report = sync(run, workspace)
    assert report.state == "behind"
    assert "pip install 'kamerton[tensorboard]'" in report.reason
    monkeypatch.undo()
    assert sync(run, workspace).state == "in step"
    assert [step for step, _ in _scalars(run, workspace, "train/loss")] == [1, 2]


def test_who_is_missing_is_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kamerton.tracking.follower.find_spec", lambda name: None if name == "wandb" else object())
    assert unavailable(["mlflow", "tensorboard"]) == []
    (sentence,) = unavailable(["wandb", "mlflow", "wandb"])
    assert "pip install 'kamerton[wandb]'" in sentence


def test_a_follower_that_fails_holds_up_no_other(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = begin(workspace, "mlflow", "tensorboard", "mlflow", "aim")
    train(run, 1, 2)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://x")
    report = sync(run, workspace)
    assert report.state == "behind"
    first, second = report.reason.split("; aim: ")
    assert first.startswith("mlflow: ")
    assert "no such follower" in second
    assert [step for step, _ in _scalars(run, workspace, "train/loss")] == [1, 2]
