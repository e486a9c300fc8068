"""What a training reads beside its base is in its record: a reference, adapters, functions of the user's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import kamerton.flows.rebuild as flow
from kamerton.flows.others import other_differences, other_models
from kamerton.flows.rebuild import rebuild
from kamerton.ground.digests import file_digest
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.journal import list_runs
from kamerton.models.load import load_base
from kamerton.models.methods import apply_method, save_finished
from kamerton.recipe import LoraMethod, Recipe
from kamerton.records import RunRecord
from tiny_project import Finished, kamerton, write_project

LOSS = """\
import torch

def summed(logits, targets):
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
"""


def _recipe(**changes: Any) -> Recipe:
    document: dict[str, Any] = {"name": "r", "model": {"base": "base"}, "data": {"train": ["d.jsonl"]}}
    return Recipe.model_validate(document | changes)


def _dpo(reference: str | None) -> Recipe:
    return _recipe(training={"objective": {"kind": "dpo", "reference": reference}})


@pytest.fixture
def place(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A base `judge`, and an adapter on it that names its run's folder."""
    shutil.copytree(tiny_base, tmp_path / "judge")
    loaded = load_base("judge", tmp_path, device="cpu")
    apply_method(loaded, LoraMethod(rank=2), seed=1)
    save_finished(loaded, LoraMethod(rank=2), tmp_path / "adapters" / "first")
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, tmp_path / ".kamerton")


def test_most_recipes_read_no_other_model(place: Workspace) -> None:
    assert other_models(_recipe(), place) == other_models(_dpo(None), place) == {}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("judge", "model.safetensors"),
        ("judge", "config.json"),
        ("adapters/first", "adapter_model.safetensors"),
        ("adapters/first", "adapter_config.json"),
        ("adapters/first", "kamerton.json"),
    ],
)
def test_a_reference_with_other_bytes_is_named(place: Workspace, name: str, file: str) -> None:
    recipe = _dpo(name)
    recorded = other_models(recipe, place)
    assert list(recorded) == [name]
    assert other_differences(recorded, recipe, place) == []
    path = place.root / name / file
    path.write_bytes(path.read_bytes() + b"\n")
    assert other_differences(recorded, recipe, place) == [f"model: {name} has other bytes than at the time of the run"]


def test_a_reference_that_is_gone_is_named(place: Workspace) -> None:
    recorded = other_models(_dpo("judge"), place)
    shutil.rmtree(place.root / "judge")
    assert other_differences(recorded, _dpo("judge"), place) == ["model: no such model (judge)"]
    with pytest.raises(RequestError, match="no such model"):
        other_models(_dpo("judge"), place)


def test_adapters_to_start_from_are_read_in_the_workspace(
    place: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(method={"kind": "lora", "rank": 2, "start_from": ["adapters/first"]})
    recorded = other_models(recipe, place)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert list(recorded) == ["adapters/first"]
    assert other_differences(recorded, recipe, place) == []
    shutil.rmtree(place.root / "adapters")
    assert len(other_differences(recorded, recipe, place)) == 1


def test_what_a_function_of_ones_own_raises_ends_the_run_in_words(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, tiny_base)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / f"fault_{tmp_path.name}.py"
    module.write_text("def summed(logits, targets):\n    return logits[targets[0]][None][1]\n", encoding="utf-8")
    done = kamerton(tmp_path, "train", "recipe.yaml", f"training.objective.loss={module.stem}:summed", "--json")
    assert (done.code, done.document["error"], done.document["mend"]) == (2, "RequestError", f"mend {module}:2")
    assert "raised IndexError: " in done.document["what"]
    assert done.document["where"].startswith("example ")
    assert "Traceback" not in done.err
    (run,) = list_runs(Workspace.at(tmp_path))
    assert run.state == "failed"


@pytest.fixture
def trained(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    """A run with a loss of the user's own that goes on with the adapter of another run."""
    project = finished.copy(tmp_path / "p")
    monkeypatch.chdir(project.root)
    monkeypatch.syspath_prepend(str(project.root))
    module = f"loss_{tmp_path.name}"
    (project.root / f"{module}.py").write_text(LOSS, encoding="utf-8")
    shutil.copytree(project.run / "model", project.root / "earlier")
    own = (f"training.objective.loss={module}:summed", "method.start_from=[earlier]", "training.max_steps=2")
    done = kamerton(project.root, "train", "recipe.yaml", *own, "--json")
    assert done.code == 0, done.err
    return Finished(project.root, done.document["run_id"])


@pytest.mark.slow
def test_rebuild_names_the_functions_and_models_that_changed(
    trained: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RunRecord.read(trained.run / "record.json")
    ((name, source),) = record.code.functions.items()
    file = trained.root / f"{name.partition(':')[0]}.py"
    assert source == file_digest(file)
    assert list(record.base.others) == ["earlier"]
    assert rebuild("last", trained.workspace).identical

    monkeypatch.setattr(flow, "run_recipe", lambda *_: pytest.fail("something was trained"))
    file.write_text(LOSS.replace("return ", "return 2 * "), encoding="utf-8")
    weights = trained.root / "earlier" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    found = rebuild("last", trained.workspace)
    assert found.what_changed == [
        "model: earlier has other bytes than at the time of the run",
        f"code: the source of {name} is not the one of the run",
    ]
    file.unlink()
    assert rebuild("last", trained.workspace).what_changed[1:] == found.what_changed[1:]


def test_a_record_from_before_is_read_and_a_function_that_is_gone_is_named(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = finished.copy(tmp_path / "p")
    monkeypatch.chdir(project.root)
    path = project.run / "record.json"
    record = RunRecord.read(path)
    document = record.model_dump(mode="json")
    del document["base"]["others"], document["code"]["functions"]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert RunRecord.read(path) == record
    changed = record.code.model_copy(update={"functions": {"no_such_module:f": "a" * 64}})
    record.model_copy(update={"code": changed}).write(path)
    assert rebuild("last", project.workspace).what_changed == [
        "code: the source of no_such_module:f is not the one of the run"
    ]
