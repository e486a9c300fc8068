"""Prepare: own files for validation and test, versions as sources, and findings that nobody swallows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kamerton.flows.datasets import commit_data
from kamerton.flows.prepare import prepare, prepare_again
from kamerton.flows.sources import whole_rows
from kamerton.ground.errors import DataError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from tiny_project import letters, write_lines


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    write_lines(workspace.root / "train.jsonl", letters()[:40])
    write_lines(workspace.root / "test.jsonl", letters()[40:])
    return workspace


def _recipe(**data: Any) -> Recipe:
    return Recipe.model_validate({"name": "m", "model": {"base": "b"}, "data": {"train": ["train.jsonl"], **data}})


def test_files_of_their_own_take_nothing_from_the_training_file(project: Workspace) -> None:
    prepared = prepare(_recipe(test=["test.jsonl"], split={"validation": 0.0, "test": 0.5}), project)
    assert {name: len(rows) for name, rows in prepared.parts.items()} == {"train": 40, "validation": 0, "test": 32}
    assert prepared.lineage.versions == {"train": "m@v1", "test": "m.test@v1"}
    assert prepare_again(prepared.lineage, project) == prepared.parts


def test_rows_set_aside_from_a_test_file_are_in_the_report(project: Workspace) -> None:
    rows = letters()[40:]
    write_lines(project.root / "test.jsonl", [*rows, rows[0], rows[1] | {"output": ""}])
    report = prepare(_recipe(test=["test.jsonl"]), project, commit=False).report
    assert [(f.file, f.line, f.kind) for f in report.findings] == [
        ("test.jsonl", 33, "exact_duplicate"),
        ("test.jsonl", 34, "empty_answer"),
    ]


def test_a_version_is_a_source(project: Workspace) -> None:
    commit_data("desk", ["train.jsonl"], project, tag="first")
    from_file = prepare(_recipe(), project, commit=False)
    for name in ("desk@first", "desk@v1", "desk"):
        found = prepare(_recipe(train=[name]), project, commit=False)
        assert found.lineage.fingerprint == from_file.lineage.fingerprint, name
    assert prepare(_recipe(train=["desk@v1"], max_rows=30), project, commit=False).report.rows_read == 30


def test_without_a_commit_nothing_is_written(project: Workspace) -> None:
    prepared = prepare(_recipe(), project, commit=False)
    assert prepared.lineage.versions == {}
    assert not project.home.exists()


def test_no_row_left_is_an_error(project: Workspace) -> None:
    write_lines(project.root / "train.jsonl", [{"instruction": "a", "output": ""}])
    with pytest.raises(DataError, match="no row is left to train on"):
        prepare(_recipe(), project)


def test_whole_rows_refuses_half_a_file(project: Workspace) -> None:
    path = project.root / "train.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + "{\n[]\n", encoding="utf-8")
    with pytest.raises(DataError, match="2 rows cannot be read; the first") as refused:
        whole_rows(["train.jsonl"], project)
    assert refused.value.where == "train.jsonl:41"


def test_paths_are_relative_to_the_workspace(
    project: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert prepare(_recipe(), project, commit=False).report.rows_ok == 40
    assert not list(Path().iterdir())
