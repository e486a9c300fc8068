"""docs/bad-inputs.md, row by row: each test does what its row says and gets its message and its exit code."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kamerton.flows.train import train
from kamerton.ground.errors import Interrupted
from kamerton.ground.settings import Workspace
from kamerton.journal import find_run
from tiny_project import RECIPE, Answer, Finished, kamerton, letters, write_lines, write_project

PAGE = Path(__file__).parents[2] / "docs" / "bad-inputs.md"
ROW = re.compile(r"^\| (?P<input>[^|]+) \| `(?P<message>[^`]+)`[^|]* \| (?P<code>\d+) \| `(?P<test>\w+)` \|$")


def _rows() -> dict[str, tuple[str, int]]:
    """Message and exit code by the name of the test."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = [ROW.match(line) for line in lines if not line.startswith("| input |")]
    assert all(found), [line for line, match in zip(lines, found, strict=False) if not match]
    return {match["test"]: (match["message"], int(match["code"])) for match in found if match}


Promise = Callable[[Answer], None]


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Promise:
    """Hold an answer against the row of this test; runs of spaces and ends of lines count as one space."""
    message, code = _rows()[request.node.name]

    def kept(answer: Answer) -> None:
        told = " ".join(f"{answer.out} {answer.err}".split())
        assert answer.code == code, told
        place = 0
        for piece in message.split("…"):
            at = told.find(piece.strip(), place)
            assert at >= 0, f"{piece.strip()!r} is not said after {place} in: {told}"
            place = at + len(piece.strip())
        assert "Traceback" not in told
        assert "inside Kamerton" not in told

    return kept


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    here = {name for name, thing in globals().items() if name.startswith("test_") and callable(thing)}
    assert _rows().keys() == here - {"test_every_row_has_its_test_and_every_test_its_row"}


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, tiny_base)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- data ----------------------------------------------------------------------------------------------------


def _cut_line(folder: Path) -> None:
    lines = write_lines(folder / "letters.jsonl", letters()).read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3][:60]
    (folder / "letters.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_broken_json_line(tmp_path: Path, promise: Promise) -> None:
    _cut_line(tmp_path)
    promise(kamerton(tmp_path, "data", "check", "letters.jsonl"))


def test_a_commit_of_a_broken_line(tmp_path: Path, promise: Promise) -> None:
    _cut_line(tmp_path)
    promise(kamerton(tmp_path, "data", "commit", "letters", "letters.jsonl"))


TABLE = "instruction;output\nGdzie są śmieci?;Wydział: Odpady\n"


def test_a_wrong_encoding(tmp_path: Path, promise: Promise) -> None:
    (tmp_path / "letters.csv").write_bytes(TABLE.encode("cp1250"))
    promise(kamerton(tmp_path, "data", "check", "letters.csv"))


def test_utf_16_from_a_spreadsheet(tmp_path: Path, promise: Promise) -> None:
    (tmp_path / "letters.csv").write_bytes(TABLE.encode("utf-16"))
    promise(kamerton(tmp_path, "data", "check", "letters.csv"))


def test_a_quote_that_is_never_closed(tmp_path: Path, promise: Promise) -> None:
    text = 'instruction,output\nGdzie?,"Wydział: Odpady\nKiedy?,Wydział: Drogi\n'
    (tmp_path / "letters.csv").write_text(text, encoding="utf-8")
    promise(kamerton(tmp_path, "data", "check", "letters.csv"))


def test_an_empty_file(tmp_path: Path, promise: Promise) -> None:
    (tmp_path / "empty.jsonl").touch()
    promise(kamerton(tmp_path, "data", "check", "empty.jsonl"))


def test_training_on_an_empty_file(project: Path, promise: Promise) -> None:
    (project / "empty.jsonl").touch()
    promise(kamerton(project, "train", "recipe.yaml", "data.train=[empty.jsonl]"))


def test_a_missing_column(tmp_path: Path, promise: Promise) -> None:
    write_lines(tmp_path / "rows.jsonl", [{"pytanie": "Gdzie?", "odpowiedz": "Tu."}] * 3)
    promise(kamerton(tmp_path, "data", "check", "rows.jsonl"))


def test_a_json_array_named_jsonl(tmp_path: Path, promise: Promise) -> None:
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in letters())
    (tmp_path / "rows.jsonl").write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    promise(kamerton(tmp_path, "data", "check", "rows.jsonl"))


def test_a_spreadsheet(tmp_path: Path, promise: Promise) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK\x03\x04")
    promise(kamerton(tmp_path, "data", "check", "rows.xlsx"))


def test_too_few_test_rows(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "train", "recipe.yaml", "data.check.min_test_rows=30"))


def test_answers_that_would_be_cut(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "train", "recipe.yaml", "training.max_length=80"))


def test_prompts_without_room(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "check", "recipe.yaml", "evaluation.max_new_tokens=450"))


def test_a_data_set_that_was_deleted(finished: Finished, tmp_path: Path, promise: Promise) -> None:
    copied = finished.copy(tmp_path / "p")
    shutil.rmtree(copied.workspace.datasets / "tiny.lance")
    promise(kamerton(copied.root, "rebuild", "last"))


# -- recipe and command --------------------------------------------------------------------------------------


def _recipe(folder: Path, text: str, encoding: str = "utf-8") -> Answer:
    (folder / "recipe.yaml").write_text(text, encoding=encoding)
    return kamerton(folder, "check", "recipe.yaml")


def test_an_unknown_key(tmp_path: Path, promise: Promise) -> None:
    promise(_recipe(tmp_path, RECIPE.replace("epochs: 2", "epoch: 2")))


def test_a_key_that_stands_twice(tmp_path: Path, promise: Promise) -> None:
    promise(_recipe(tmp_path, RECIPE + "name: again\n"))


def test_a_recipe_in_another_encoding(tmp_path: Path, promise: Promise) -> None:
    promise(_recipe(tmp_path, RECIPE, "cp1250"))


def test_a_misspelt_override(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "train", "recipe.yaml", "training.epoch=3"))


def test_a_misspelt_verb(tmp_path: Path, promise: Promise) -> None:
    promise(kamerton(tmp_path, "trian", "recipe.yaml"))


def test_no_such_base(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "train", "recipe.yaml", "model.base=tiny-en"))


def test_a_base_of_another_format(project: Path, promise: Promise) -> None:
    (project / "quantised").mkdir()
    (project / "quantised" / "model.gguf").write_bytes(b"GGUF")
    promise(kamerton(project, "train", "recipe.yaml", "model.base=quantised"))


def test_a_hub_model_without_a_network(project: Path, promise: Promise) -> None:
    promise(kamerton(project, "train", "recipe.yaml", "model.base=acme/none"))


def test_a_gpu_that_is_not_there(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    promise(kamerton(project, "train", "recipe.yaml", "training.compute.device=cuda"))


def test_a_promotion_without_evidence(finished: Finished, promise: Promise) -> None:
    promise(finished.answers["early"])


# -- machine -------------------------------------------------------------------------------------------------


def _run(project: Path, stop_at: int, *overrides: str) -> Path:
    """A run that was stopped after a step; its folder."""
    place = Workspace.at(project)

    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == stop_at:
            find_run(place, "last").request_stop()

    with pytest.raises(Interrupted):
        train("recipe.yaml", place, overrides=list(overrides), on_progress=stop)
    return find_run(place, "last").path


def _flip(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)


def test_no_disk_space(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def full(source: Any, target: Any, **more: Any) -> None:
        if Path(target).name.startswith("step-"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        real(source, target, **more)

    monkeypatch.setattr(os, "replace", full)
    promise(kamerton(project, "train", "recipe.yaml", "training.max_steps=8"))
    state = kamerton(project, "runs", "--json").document[0]
    assert (state["state"], state["step"]) == ("failed", 5), "the first checkpoint is due at step 5"


def test_no_permission(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def closed(path: Any, *rest: Any, **more: Any) -> None:
        if Path(os.fsdecode(path)).name == ".kamerton":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        real(path, *rest, **more)

    monkeypatch.setattr(os, "mkdir", closed)
    promise(kamerton(project, "train", "recipe.yaml"))


def test_a_corrupted_checkpoint(project: Path, promise: Promise) -> None:
    steps = ["training.max_steps=8", "training.checkpoint_every=2"]
    run = _run(project, 3, *steps)
    _flip(run / "checkpoints" / "step-00000003" / "weights.safetensors")
    promise(kamerton(project, "train", "--resume", "last"))
    resumed = json.loads((run / "record.json").read_text(encoding="utf-8"))["result"]
    straight = kamerton(project, "train", "recipe.yaml", *steps, "--json").document["result"]
    assert resumed["model_sha256"] == straight["model_sha256"]


def test_a_changed_model_file(finished: Finished, tmp_path: Path, promise: Promise) -> None:
    copied = finished.copy(tmp_path / "p")
    _flip(copied.run / "model" / "adapter_model.safetensors")
    promise(kamerton(copied.root, "evaluate", "last"))


def test_ctrl_c_while_training(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    from kamerton.cli import progress

    real = progress.TrainingProgress.__call__

    def press(self: Any, event: dict[str, Any]) -> None:
        real(self, event)
        if event.get("step") == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(progress.TrainingProgress, "__call__", press)
    promise(kamerton(project, "train", "recipe.yaml", "training.max_steps=8"))
    assert kamerton(project, "runs", "--json").document[0]["state"] == "stopped"


def test_a_second_process(project: Path, promise: Promise) -> None:
    _run(project, 1)
    with find_run(Workspace.at(project), "last").held():
        promise(kamerton(project, "train", "--resume", "last"))


AWAY = "http://127.0.0.1:9"


@pytest.mark.slow
def test_mlflow_away_while_training(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    without = kamerton(project, "train", "recipe.yaml", "--json").document["result"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    promise(kamerton(project, "train", "recipe.yaml", "tracking.followers=[mlflow]", "training.max_steps=20"))
    record = json.loads((find_run(Workspace.at(project), "last").path / "record.json").read_text(encoding="utf-8"))
    assert record["result"]["model_sha256"] == without["model_sha256"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    caught_up = kamerton(project, "sync", record["run_id"], "--json")
    assert caught_up.code == 0, caught_up.err
    assert caught_up.document[record["run_id"]]["state"] == "in step"
    assert caught_up.document[record["run_id"]]["sent"] > 20
    again = kamerton(project, "sync", record["run_id"], "--json").document[record["run_id"]]
    assert (again["state"], again["sent"]) == ("in step", 0)


@pytest.mark.slow
def test_mlflow_away_while_catching_up(project: Path, promise: Promise, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    _run(project, 1, "tracking.followers=[mlflow]")
    promise(kamerton(project, "sync", "last"))


def test_a_damaged_mlflow_database(tmp_path: Path, promise: Promise) -> None:
    (tmp_path / ".kamerton").mkdir()
    (tmp_path / ".kamerton" / "mlflow.db").write_bytes(b"no database" * 100)
    promise(kamerton(tmp_path, "registry", "list"))
