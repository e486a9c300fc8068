"""The follower against a real MLflow on SQLite, and against trackers that are away."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path
from typing import Any

import pytest
from journal_samples import finish, raise_alarm, train

from kamerton.ground.digests import canonical_json
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.journal.lines import read_lines
from kamerton.tracking import connect, sync

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

DEAD = "http://127.0.0.1:9"


def _runs(workspace: Workspace) -> list[Any]:
    client = connect(workspace)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments))


def _history(workspace: Workspace, key: str) -> list[tuple[int, float]]:
    (run,) = _runs(workspace)
    history = connect(workspace).get_metric_history(run.info.run_id, key)
    return sorted((metric.step, metric.value) for metric in history)


def test_a_finished_run_is_in_mlflow_as_a_whole(database: Workspace, run: RunFolder) -> None:
    train(run, 1, 3)
    finish(run)
    report = sync(run, database)
    assert (report.sent, report.state, report.reason) == (12, "in step", "")
    (found,) = _runs(database)
    assert found.info.run_name == run.run_id
    assert found.info.status == "FINISHED"
    assert found.info.end_time == 1767323045000
    assert _history(database, "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert _history(database, "eval_loss") == [(3, 2.5)]
    assert set(found.data.metrics) == {"loss", "learning_rate", "grad_norm", "tokens_per_second", "eval_loss"}
    assert found.data.params["training.epochs"] == "2.0"
    assert found.data.params["training.odd key_1_"] == "true"
    assert len(found.data.params["training.note"]) == 500
    tags = found.data.tags
    assert tags["kamerton.run_id"] == run.run_id
    assert tags["kamerton.code_revision"] == "abc123"
    assert tags["kamerton.model_sha256"]
    assert tags["kamerton.machine_class"]
    inputs = {entry.dataset.name: entry for entry in found.inputs.dataset_inputs}
    assert set(inputs) == {"letters@v3/train", "letters@v3/validation", "letters@v3/test"}
    assert len(inputs["letters@v3/train"].dataset.digest) == 36
    artifacts = {file.path for file in connect(database).list_artifacts(found.info.run_id)}
    assert artifacts == {"recipe.json", "record.json", "trace.jsonl"}
    assert Path(found.info.artifact_uri).is_relative_to(database.artifacts)


def test_memory_metrics_and_alarms_reach_mlflow(database: Workspace, run: RunFolder) -> None:
    for step in range(1, 252):
        more = {"epoch": step / 251, "memory_mib": 800 + step, "seconds": 0.5, "metrics": {"reward margin(1)": 0.25}}
        run.event("step", step=step, loss=1.0, learning_rate=1e-4, grad_norm=1.0, tokens_per_second=5e3, **more)
    run.event("evaluated", step=251, loss=1.5, metrics={"accuracy": 0.5})
    raise_alarm(run, 40)
    raise_alarm(run, 41)
    raise_alarm(run, 50, "odd kind(2)")
    finish(run)
    assert sync(run, database).state == "in step"
    (found,) = _runs(database)
    wanted = {"loss", "learning_rate", "grad_norm", "tokens_per_second", "epoch", "memory_mib", "seconds"}
    assert set(found.data.metrics) == wanted | {"reward margin_1_", "eval_loss", "eval_accuracy"}
    assert [step for step, _ in _history(database, "memory_mib")] == list(range(1, 252)), "more than fit one request"
    assert found.data.tags["kamerton.alarm.spike"].startswith("warning at step 41: the loss jumped")
    assert "kamerton.alarm.odd kind_2_" in found.data.tags


def test_again_does_nothing(database: Workspace, run: RunFolder) -> None:
    train(run, 1, 3)
    finish(run)
    assert sync(run, database).sent > 0
    assert sync(run, database).sent == 0


def test_what_comes_later_is_sent_later(database: Workspace, run: RunFolder) -> None:
    with run.held():
        train(run, 1, 2)
        sync(run, database)
        assert _runs(database)[0].info.status == "RUNNING"
        train(run, 3, 4)
    finish(run)
    (run.path / "report.html").write_text("<p>one</p>", encoding="utf-8")
    sync(run, database)
    assert [step for step, _ in _history(database, "loss")] == [1, 2, 3, 4]
    assert _runs(database)[0].info.status == "FINISHED"
    (run.path / "report.html").write_text("<p>two</p>", encoding="utf-8")
    assert sync(run, database).sent == 1
    assert (Path(_runs(database)[0].info.artifact_uri) / "report.html").read_text() == "<p>two</p>"


@pytest.mark.slow
@pytest.mark.parametrize(("last", "status"), [("stopped", "KILLED"), ("failed", "FAILED")])
def test_a_run_that_ended_early_says_so(database: Workspace, run: RunFolder, last: str, status: str) -> None:
    train(run, 1, 1)
    run.event(last, reason="as asked")
    sync(run, database)
    assert _runs(database)[0].info.status == status


@pytest.mark.slow
def test_more_steps_than_fit_a_batch(database: Workspace, run: RunFolder) -> None:
    train(run, 1, 601)
    finish(run)
    assert sync(run, database).state == "in step"
    assert [step for step, _ in _history(database, "grad_norm")] == list(range(1, 602))


@pytest.mark.parametrize("damage", ["lost", "behind"])
def test_a_killed_cursor_repeats_without_harm(database: Workspace, run: RunFolder, damage: str) -> None:
    train(run, 1, 3)
    finish(run)
    sync(run, database)
    cursor = run.path / "follower.json"
    if damage == "lost":
        cursor.unlink()
    else:  # killed between the acceptance of a batch and the writing of the cursor
        cursor.write_text(canonical_json(json.loads(cursor.read_text()) | {"offset": 0, "record": "", "files": {}}))
    assert sync(run, database).state == "in step"
    assert _history(database, "loss") == [(1, 3.0), (2, 1.5), (3, 1.0)]
    assert len(_runs(database)[0].inputs.dataset_inputs) == 3


def test_a_dead_server_is_caught_up_with(database: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    train(run, 1, 3)
    finish(run)
    before = sorted(path.name for path in run.path.iterdir())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for _ in range(2):
        report = sync(run, database)
        assert (report.sent, report.state) == (0, "behind")
        assert "127.0.0.1" in report.reason
    log = read_lines(run.path / "follower.jsonl")
    assert [line["state"] for line in log] == ["behind"], "an outage is noted once"
    assert sorted({*before, "follower.jsonl", "follower.lock"}) == sorted(path.name for path in run.path.iterdir())
    assert run.state == "complete"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync(run, database).state == "in step"
    assert [step for step, _ in _history(database, "loss")] == [1, 2, 3]
    assert [line["state"] for line in read_lines(run.path / "follower.jsonl")] == ["behind", "in step"]


def test_a_password_in_the_address_is_not_told(
    workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ania:tajne@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    report = sync(run, workspace)
    assert report.state == "behind"
    written = "".join(path.read_text(encoding="utf-8") for path in run.path.iterdir())
    assert "tajne" not in report.reason + written


@pytest.mark.parametrize("uri", ["nonsense://x", "postgresql://u:p@127.0.0.1:9/x", "file:///nowhere/mlruns"])
def test_an_address_of_no_use_is_a_reason(
    workspace: Workspace, run: RunFolder, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    report = sync(run, workspace)
    assert report.state == "behind"
    assert report.reason
    assert "u:p" not in report.reason


def test_a_damaged_database_is_a_reason(workspace: Workspace, run: RunFolder) -> None:
    (workspace.home / "mlflow.db").write_text("not a database " * 100)
    report = sync(run, workspace)
    assert report.state == "behind"
    assert "mlflow.db" in report.reason


def test_a_folder_in_the_place_of_the_database_is_a_reason(workspace: Workspace, run: RunFolder) -> None:
    (workspace.home / "mlflow.db").mkdir()
    began = time.monotonic()
    report = sync(run, workspace)
    assert report.state == "behind"
    assert "mlflow.db" in report.reason
    assert time.monotonic() - began < 10, "MLflow alone would try for 100 s"


def test_a_damaged_run_is_a_reason(workspace: Workspace, run: RunFolder) -> None:
    (run.path / "recipe.json").write_text("{")
    assert sync(run, workspace).state == "behind"


@pytest.mark.slow
def test_a_run_deleted_in_mlflow_is_sent_anew(database: Workspace, run: RunFolder) -> None:
    train(run, 1, 2)
    sync(run, database)
    client = connect(database)
    client.delete_run(_runs(database)[0].info.run_id)
    assert sync(run, database).state == "in step"
    assert [step for step, _ in _history(database, "loss")] == [1, 2]


@pytest.mark.slow
def test_a_new_database_gets_everything(database: Workspace, run: RunFolder, empty_database: Path) -> None:
    train(run, 1, 2)
    sync(run, database)
    other = database.home / "other.db"
    other.write_bytes(empty_database.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
        assert sync(run, database).sent > 3
        assert [step for step, _ in _history(database, "loss")] == [1, 2]


def test_only_one_follows_a_run(workspace: Workspace, run: RunFolder) -> None:
    with (run.path / "follower.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        began = time.monotonic()
        report = sync(run, workspace, wait=0.2)
    assert (report.state, report.reason) == ("behind", "another process is following this run")
    assert time.monotonic() - began < 2


def test_no_follower_is_in_step(workspace: Workspace) -> None:
    recipe = {"name": "quiet", "tracking": {"followers": [], "experiment": None}}
    report = sync(RunFolder.create(workspace.runs, recipe, "quiet"), workspace)
    assert (report.sent, report.state) == (0, "in step")
    assert not (workspace.home / "mlflow.db").exists()
