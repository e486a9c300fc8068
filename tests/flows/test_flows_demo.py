"""The tour on a tiny project: its stops, its document, and its verdict. The real one is in `test_demo_slow.py`."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import kamerton.flows.demo as flow
from kamerton.cli.main import VERBS, build_parser
from kamerton.flows.demo import STEPS, Tour
from tiny_project import Answer, kamerton, write_project


@pytest.fixture
def _tiny(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny project takes the place of the town hall, and nothing starts a second Python."""

    def init(folder: Path) -> list[Path]:
        return [] if (folder / "recipe.yaml").exists() else [write_project(folder, tiny_base)]

    def run(words: list[str], *, cwd: Path, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert words[1:3] == ["-m", "kamerton"]
        with monkeypatch.context() as inside:
            inside.setenv("KAMERTON_HOME", env["KAMERTON_HOME"])
            answer = kamerton(cwd, *words[3:])
        return subprocess.CompletedProcess(words, answer.code, stdout=answer.out)

    monkeypatch.setattr(flow, "init", init)
    monkeypatch.setattr(flow, "subprocess", SimpleNamespace(run=run, PIPE=subprocess.PIPE))


def _take(folder: Path) -> Answer:
    return kamerton(folder.parent, "demo", folder.name, "--language", "en", "--json")


@pytest.mark.slow
@pytest.mark.usefixtures("_tiny")
def test_the_tour_takes_its_stops_and_is_judged(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "desk"
    (folder / ".kamerton").mkdir(parents=True)
    shutil.copyfile(empty_database, folder / ".kamerton" / "mlflow.db")
    monkeypatch.setenv("KAMERTON_HOME", str(tmp_path / "elsewhere"))
    done = _take(folder)
    assert done.code == 0, done.err
    document = done.document
    assert len(document["model_sha256"]) == 64
    assert document["gate"]["verdict"] == "pass"
    assert (document["promoted"], document["rebuild"]["identical"]) == (True, True)
    assert '<html lang="en">' in Path(document["report"]).read_text(encoding="utf-8")
    assert document["metrics"].keys() == {"tuned", "base", "few_shot", "tuned on general", "base on general"}
    for model in ("tuned", "base", "few_shot"):
        found = document["metrics"][model]["perplexity"]
        assert found["low"] < found["value"] < found["high"]
    assert document["tracking_uri"] == f"sqlite:///{folder / '.kamerton' / 'mlflow.db'}"
    assert not (tmp_path / "elsewhere").exists(), "the tour keeps to its folder"
    for number, step in enumerate(STEPS, start=1):
        assert f"{number:2}/{len(STEPS)} {step.name}\n      {step.why}\n      $ {step.command}\n" in done.err
    assert document["seconds"].keys() == {step.name for step in STEPS}

    # In the same folder again, under a gate that a model of this size cannot pass: accuracy is 0 for all.
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("metric: perplexity", "metric: accuracy"), encoding="utf-8")
    again = _take(folder)
    assert again.code == 1
    assert again.document["model_sha256"] == document["model_sha256"], "the same model, made a second time"
    assert again.document["run_id"] != document["run_id"]
    assert (again.document["gate"]["verdict"], again.document["promoted"]) == ("fail", False)
    assert again.document["rebuild"]["identical"], "what did not win can be rebuilt all the same"
    assert "-> refused: the gate is closed" in again.err
    assert "\n  NO   accuracy on test" in again.err


@pytest.mark.usefixtures("_tiny")
def test_a_check_that_fails_ends_the_tour_at_once(tmp_path: Path, tiny_base: Path) -> None:
    write_project(tmp_path / "desk", tiny_base)
    (tmp_path / "desk" / "data" / "general.jsonl").unlink()
    done = _take(tmp_path / "desk")
    assert done.code == 1
    assert "data/general.jsonl: no such file" in done.document["what"]
    assert not (tmp_path / "desk" / ".kamerton").exists()


def test_the_commands_of_the_tour_exist() -> None:
    for step in STEPS:
        words = shlex.split(step.command)
        assert words[0] == "kamerton"
        assert words[1] in VERBS
        build_parser().parse_args(words[1:])


def test_a_tour_that_did_not_come_far_is_a_document_too(tmp_path: Path) -> None:
    tour = Tour(tmp_path)
    assert not tour.passed
    assert tour.document()["model_sha256"] is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            {"what_changed": ["base: b/model.safetensors has other bytes"]},
            "NOT identical: base: b/model.safetensors has",
        ),
        ({"first_different_step": 7, "different_fields": ["loss"]}, "NOT identical: the runs part at step 7"),
    ],
)
def test_a_rebuild_that_differs_says_where(
    found: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {
        "run_id": "tiny-1",
        "recorded_sha256": "a",
        "rebuilt_sha256": None,
        "identical": False,
        "machine_class_equal": True,
        "class_differences": [],
        "first_different_step": None,
        "different_fields": [],
        "what_changed": [],
        "seconds": 1.0,
        "finished": "2026-01-01T00:00:00+00:00",
    }
    answer = SimpleNamespace(stdout=json.dumps(record | found))
    monkeypatch.setattr(flow, "subprocess", SimpleNamespace(run=lambda *_, **__: answer, PIPE=subprocess.PIPE))
    tour = Tour(tmp_path, run=SimpleNamespace(run_id="tiny-1"))  # type: ignore[arg-type]
    assert flow._rebuild(tour, tour.workspace).startswith(told)
    assert not tour.passed
