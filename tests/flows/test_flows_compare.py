"""Evaluate and compare: nothing is compared with half of its baselines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kamerton.flows.compare import compare, compare_on, judge
from kamerton.flows.evaluate import measured_models
from kamerton.ground.errors import RequestError
from kamerton.recipe import Recipe
from tiny_project import Finished, kamerton


@pytest.fixture
def project(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    copied = finished.copy(tmp_path / "p")
    monkeypatch.chdir(copied.root)
    return copied


@pytest.mark.parametrize("lost", ["evaluation-test-few_shot.json", "evaluation-general-base.json"])
def test_an_evaluation_that_was_cut_short_is_made_again(lost: str, project: Finished) -> None:
    """An interruption between two models must not make a comparison without the second."""
    kept = (project.run / lost).read_bytes()
    (project.run / lost).unlink()
    test, _ = compare("last", project.workspace)
    assert test.baselines == ["base", "few_shot"]
    assert (project.run / lost).read_bytes() == kept, "measured again, it is the same record"


def test_what_was_measured_is_not_measured_again(project: Finished) -> None:
    shutil.rmtree(project.root / "base")  # no model could be loaded
    assert [record.set_name for record in compare("last", project.workspace)] == ["test", "general"]


def test_one_set_can_be_compared_alone(project: Finished) -> None:
    (record,) = compare("last", project.workspace, on="general")
    assert (record.set_name, record.baselines) == ("general", ["base"])
    with pytest.raises(RequestError, match="no such set") as refused:
        compare("last", project.workspace, on="generl")
    assert refused.value.expected == "test or general"


def test_without_baselines_there_is_nothing_to_compare(project: Finished) -> None:
    words = ["train", "recipe.yaml", "training.max_steps=1", "evaluation.baselines=[]", "gate=null", "name=alone"]
    assert kamerton(project.root, *words).code == 0
    with pytest.raises(RequestError, match="there is nothing to compare with"):
        compare("last", project.workspace)
    with pytest.raises(RequestError, match="the recipe has no gate"):
        judge("last", project.workspace)


def test_a_decision_needs_a_comparison(project: Finished) -> None:
    for path in project.run.glob("comparison-*.json"):
        path.unlink()
    with pytest.raises(RequestError, match="nothing was compared yet") as refused:
        judge("last", project.workspace)
    assert refused.value.mend == f"kamerton compare {project.run_id}"


def test_a_comparison_needs_two_models(project: Finished) -> None:
    with pytest.raises(RequestError, match="a comparison needs two models"):
        compare_on(["last"], ["test"], project.workspace)


@pytest.mark.parametrize(
    ("changes", "set_name", "expected"),
    [
        ({}, "test", ["tuned", "base", "few_shot"]),
        ({}, "general", ["tuned", "base"]),
        ({"training": {"objective": "pretrain"}}, "test", ["tuned", "base"]),
        ({"evaluation": {"baselines": ["few_shot"]}}, "general", ["tuned"]),
        ({"evaluation": {"baselines": []}}, "test", ["tuned"]),
        (
            {"model": {"architecture": {}}, "training": {"objective": "pretrain"}, "method": {"kind": "full"}},
            "test",
            ["tuned"],
        ),
    ],
)
def test_which_models_a_set_is_measured_with(changes: dict[str, object], set_name: str, expected: list[str]) -> None:
    recipe = Recipe.model_validate({"model": {"base": "b"}, "data": {"train": ["x.jsonl"]}} | changes)
    assert measured_models(recipe, set_name) == expected
