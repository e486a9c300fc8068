"""Check: everything that would fail is told before it costs anything, and nothing is written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kamerton.flows.check import CheckResult, check
from kamerton.flows.prepare import Prepared, prepare
from kamerton.ground.errors import RecipeError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.records import RunRecord
from tiny_project import Finished, kamerton, write_project


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Workspace:
    write_project(tmp_path, tiny_base)
    return Workspace.at(tmp_path)


def _check(project: Workspace, *overrides: str) -> CheckResult:
    return check(project.root / "recipe.yaml", project, overrides=list(overrides))


def _failed(result: CheckResult) -> dict[str, str]:
    return {item.name: item.text for item in result.items if not item.passed}


def test_nothing_is_written(project: Workspace) -> None:
    before = sorted(project.root.rglob("*"))
    assert _check(project).passed
    assert sorted(project.root.rglob("*")) == before


def test_the_forecast_counts_what_training_will_do(project: Workspace) -> None:
    found = _check(project).forecast
    assert (found["sequences"], found["steps"]) == (37, 20)
    assert 0 < found["trainable"] < found["parameters"]
    assert found["peak_bytes"] > 0


def test_a_named_machine_and_a_quick_forecast_load_no_model(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kamerton.models.load.load_folder", lambda *given: pytest.fail("the model was loaded"))
    recipe = project.root / "recipe.yaml"
    quick = check(recipe, project, quick=True)
    assert (quick.forecast["measured_steps"], quick.forecast["seconds"], quick.passed) == (0, None, True)
    named = check(recipe, project, machine="l4")
    assert named.forecast["machine"] == "l4"
    assert named.forecast["seconds"] > 0
    assert "of a l4" in next(item.text for item in named.items if item.name == "memory")


def test_the_process_that_prepares_counts_as_memory_of_this_machine(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def large(*given: Any, **more: Any) -> Prepared:
        return replace(prepare(*given, **more), peak=1 << 40)

    recipe = project.root / "recipe.yaml"
    monkeypatch.setattr("kamerton.flows.prepare.prepare", large)
    here, there = (check(recipe, project, quick=True, machine=name).forecast for name in (None, "l4"))
    assert here["peak_bytes"] > 1 << 40
    assert there["peak_bytes"] < 1 << 36


def test_the_class_of_the_machine_is_that_of_the_record(finished: Finished) -> None:
    items = {item["name"]: item["text"] for item in finished.answers["check"].document["items"]}
    record = RunRecord.read(finished.run / "record.json")
    here, precision = record.environment, record.recipe["training"]["compute"]["precision"]
    told = f"{here.cpu}, 1 thread, {precision}: class {here.class_digest}, probe {here.probe}"
    assert items["machine class"] == told


def test_the_class_is_told_only_where_steps_are_measured(project: Workspace) -> None:
    recipe = project.root / "recipe.yaml"
    for found in (check(recipe, project, quick=True), check(recipe, project, machine="l4")):
        assert "machine class" not in {item.name for item in found.items}


def test_a_named_machine_needs_the_config_alone(project: Workspace) -> None:
    (project.root / "base" / "model.safetensors").unlink()
    assert "model" in _failed(_check(project))
    named = check(project.root / "recipe.yaml", project, machine="l4")
    assert named.passed
    assert named.forecast["tokens_per_epoch"] > 0


def test_what_does_not_fit_fails_and_says_what_to_change(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kamerton.training.machine.free_memory", lambda: -(1 << 40))
    result = _check(project, "training.compute.forward_tokens=4096")
    # Of so small a model nothing can be saved, and no change is named that saves nothing.
    assert "take a smaller model" in _failed(result)["memory"]
    assert result.forecast["advice"]


def test_no_such_machine(project: Workspace) -> None:
    with pytest.raises(RequestError, match="no such machine"):
        check(project.root / "recipe.yaml", project, machine="abacus")


def test_every_fault_is_told_at_once(project: Workspace) -> None:
    (project.root / "data" / "general.jsonl").unlink()
    shutil.rmtree(project.root / "base")
    failed = _failed(_check(project, "data.check.min_test_rows=30"))
    assert failed.keys() == {"data", "test_rows", "set general", "model"}
    assert failed["test_rows"] == "the test part has 24 rows; data.check.min_test_rows is 30"
    assert failed["set general"].startswith("data/general.jsonl: no such file")
    assert "no such model" in failed["model"]


def test_an_evaluation_set_with_a_broken_row_fails_before_the_training(project: Workspace) -> None:
    with (project.root / "data" / "general.jsonl").open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    assert "data/general.jsonl:5: 1 rows cannot be read" in _failed(_check(project))["set general"]


def test_data_that_cannot_be_read_leaves_the_rest_to_be_checked(project: Workspace) -> None:
    result = _check(project, "data.train=[nowhere.jsonl]")
    assert list(_failed(result)) == ["data can be read"]
    assert result.data is None
    assert result.document()["data"] is None


def test_rows_that_would_be_cut_fail_the_check(project: Workspace) -> None:
    result = _check(project, "training.max_length=64")
    assert {"truncated", "masked"} & _failed(result).keys()
    assert _failed(result).keys() <= {"truncated", "masked", "data", "model"}
    assert not result.passed


def test_each_step_is_told(project: Workspace) -> None:
    told: list[str] = []
    check(project.root / "recipe.yaml", project, on_step=told.append)
    assert told[0] == "read train"
    assert told[-3:] == ["report", "sets", "forecast: a few steps are measured"]


def test_prompts_without_room_for_an_answer_fail_before_the_training(project: Workspace) -> None:
    assert _failed(_check(project, "evaluation.max_new_tokens=450")) == {
        "prompts": "24 of 24 test prompts leave no room for an answer of 450 tokens"
    }
    assert _check(project, "evaluation.max_new_tokens=450", "evaluation.metrics=[perplexity]").passed


def test_a_wrong_recipe_is_an_error_and_no_list(project: Workspace) -> None:
    with pytest.raises(RecipeError, match=r"did you mean epochs\?"):
        _check(project, "training.epoch=1")


def test_the_exit_code_is_the_verdict(project: Workspace) -> None:
    good = kamerton(project.root, "check", "recipe.yaml")
    assert (good.code, good.out.splitlines()[-1]) == (0, "ready to train")
    bad = kamerton(project.root, "check", "recipe.yaml", "data.check.min_test_rows=30")
    assert (bad.code, bad.out.splitlines()[-1]) == (1, "not ready")
    assert "NO  test_rows" in bad.out
