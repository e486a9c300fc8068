"""The pipeline: what each step of `data:` does to the parts, and that a run gets the same rows and weights back."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from kamerton.flows.datasets import commit_data
from kamerton.flows.pipeline import Pipeline, Processed
from kamerton.flows.prepare import Prepared, prepare, prepare_again, weights_again
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.recipe import DataSection, Recipe
from tiny_project import letters, write_lines


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    write_lines(workspace.root / "train.jsonl", letters()[:40])
    write_lines(workspace.root / "test.jsonl", letters()[40:])
    return workspace


def _data(**data: Any) -> dict[str, Any]:
    return {"train": ["train.jsonl"], "test": ["test.jsonl"], "split": {"validation": 0.0}, **data}


def _processed(place: Workspace, **data: Any) -> Processed:
    return Pipeline(DataSection.model_validate(_data(**data)), place).process()


def _prepared(place: Workspace, **data: Any) -> Prepared:
    return prepare(Recipe.model_validate({"name": "m", "model": {"base": "none"}, "data": _data(**data)}), place)


def _kinds(made: Processed) -> list[str]:
    return [finding.kind for finding in made.cleaned.findings]


def test_a_test_item_in_the_training_file_is_reported_and_can_be_dropped(project: Workspace) -> None:
    leaked = letters()[50]
    write_lines(project.root / "train.jsonl", [*letters()[:40], leaked])
    told = _processed(project)
    assert told.leaks is not None
    assert [(found.name, found.contaminated) for found in told.leaks.sets] == [("test", 1)]
    assert len(told.parts["train"]) == 41
    dropped = _processed(project, leaks={"action": "drop"})
    assert len(dropped.parts["train"]) == 40
    assert dropped.leaks is not None
    assert (dropped.leaks.sets[0].contaminated, dropped.leaks.sets[0].counted) == (1, 0)
    assert [(f.line, f.kind) for f in dropped.cleaned.findings if f.file == "train.jsonl"] == [(41, "leaking_row")]


def test_a_set_to_stay_out_of_is_compared_too(project: Workspace) -> None:
    write_lines(project.root / "exam.jsonl", letters()[3:5])
    made = _processed(project, leaks={"against": ["exam.jsonl"], "canaries": 0})
    assert made.leaks is not None
    assert {found.name: found.contaminated for found in made.leaks.sets} == {"test": 0, "exam.jsonl": 2}


def test_replay_brings_back_no_row_of_a_set_to_stay_out_of(project: Workspace) -> None:
    write_lines(project.root / "exam.jsonl", letters()[:2])
    fresh = {"instruction": "Ile kosztuje odpis aktu urodzenia z dopiskiem?", "output": "22 zł"}
    write_lines(project.root / "earlier.jsonl", [*letters()[:2], fresh])
    made = _processed(
        project,
        leaks={"against": ["exam.jsonl"], "action": "drop", "canaries": 0},
        mix={"replay": [{"source": "earlier.jsonl", "ratio": 0.1}]},
    )
    asked = {row.question for row in made.parts["train"]}
    assert not asked & {row["instruction"] for row in letters()[:2]}
    assert any(row.source.startswith("replay") for row in made.parts["train"])


def test_new_rows_join_the_training_part_alone(project: Workspace) -> None:
    made = _processed(project, augment=[{"kind": "templates", "templates": ["Proszę: {prompt}"]}])
    assert made.augmentation is not None
    assert made.augmentation.made == 40
    assert sum(bool(row.augmented_from) for row in made.parts["train"]) == 40
    assert not any(row.augmented_from for row in made.parts["test"])


def test_balance_and_mix_give_weights_that_a_run_gets_back(project: Workspace) -> None:
    write_lines(
        project.root / "more.jsonl",
        [row | {"instruction": f"Inaczej: {row['instruction']}?"} for row in letters()[:10]],
    )
    train = ["train.jsonl", {"source": "more.jsonl", "weight": 2.5}]
    prepared = _prepared(project, train=train)
    by_file = {row.file: weight for row, weight in zip(prepared.parts["train"], prepared.weights, strict=True)}
    assert by_file == {"train.jsonl": 1.0, "more.jsonl": 2.5}
    again = prepare_again(prepared.lineage, project)["train"]
    assert [row.row_hash for row in again] == [row.row_hash for row in prepared.parts["train"]]
    assert weights_again(prepared.lineage, project) == prepared.weights


def test_ordinary_weights_are_not_written(project: Workspace) -> None:
    prepared = _prepared(project)
    assert prepared.lineage.weights == ""
    assert weights_again(prepared.lineage, project) is None
    assert not (project.datasets / "weights").exists()


@pytest.mark.parametrize("spoil", ["gone", "changed", "damaged"])
def test_weights_that_are_not_the_run_s_are_refused(project: Workspace, spoil: str) -> None:
    prepared = _prepared(project, train=[{"source": "train.jsonl", "weight": 1.5}])
    (path,) = (project.datasets / "weights").iterdir()
    if spoil == "gone":
        path.unlink()
    else:
        path.write_text(json.dumps([2.0] * 40) if spoil == "changed" else "[1.5,", encoding="utf-8")
    with pytest.raises(StorageError, match="weights"):
        weights_again(prepared.lineage, project)


def test_an_earlier_set_is_replayed_at_its_ratio_and_never_the_test_rows(project: Workspace) -> None:
    write_lines(
        project.root / "old.jsonl", [row | {"instruction": f"Dawniej: {row['instruction']}"} for row in letters()[30:]]
    )
    commit_data("old", ["old.jsonl"], project)
    made = _processed(project, mix={"replay": [{"source": "old@v1", "ratio": 0.2}]})
    again = [
        weight for row, weight in zip(made.parts["train"], made.weights, strict=True) if row.source == "replay old@v1"
    ]
    assert 0 < len(again) < 42
    assert sum(again) / sum(made.weights) == pytest.approx(0.2)
    assert "replay_held_out" in _kinds(made)


def test_the_parts_come_back_from_their_versions_whatever_the_recipe_says(project: Workspace) -> None:
    prepared = _prepared(project, split={"validation": 0.25})
    assert set(prepared.lineage.versions) == {"train", "validation", "test"}
    for name in ("train.jsonl", "test.jsonl"):
        (project.root / name).unlink()
    assert prepare_again(prepared.lineage, project) == prepared.parts


def test_a_part_that_is_not_the_run_s_is_named(project: Workspace) -> None:
    prepared = _prepared(project)
    lineage = prepared.lineage.model_copy(update={"versions": prepared.lineage.versions | {"test": "m@v1"}})
    with pytest.raises(DataError, match="the test part is not the one"):
        prepare_again(lineage, project)


def test_excerpts_of_rows_with_personal_data_are_not_in_the_report(project: Workspace) -> None:
    rows = [row | {"instruction": f"  {row['instruction']}"} for row in letters()[:3]]
    rows[1]["instruction"] += " Mój PESEL to 44051401359."
    write_lines(project.root / "train.jsonl", rows)
    made = _processed(project, clean={"whitespace": "fix"}, privacy={"action": "mask"})
    assert made.privacy.found == {"pesel": 1}
    (step,) = (step for step in made.cleaned.report.steps if step.name == "whitespace")
    assert step.found == 3
    assert [example.line for example in step.examples] == [1, 3]
    assert "[PESEL]" in next(row for row in made.parts["train"] if row.line == 2).question


def test_each_step_is_told(project: Workspace) -> None:
    told: list[str] = []
    Pipeline(DataSection.model_validate(_data()), project, on_step=told.append).process()
    assert told[:4] == ["read train", "clean train", "privacy train", "read test"]
    assert told[-2:] == ["near-duplicates", "leaks"]


def test_preference_pairs_come_through_as_ranked_rows(project: Workspace) -> None:
    write_lines(project.root / "train.jsonl", [{"prompt": "Co?", "chosen": "to", "rejected": "tamto"}])
    made = _processed(project)
    assert [(row.kind, row.answer) for row in made.parts["train"]] == [("ranked", "to")]


def test_phrases_that_rows_of_one_source_share_do_not_fail_the_check(project: Workspace) -> None:
    form = "Zwracam się z uprzejmą prośbą o rozpatrzenie mojej sprawy w możliwie krótkim terminie, a dotyczy ona: "
    rows = [row | {"instruction": form + row["instruction"]} for row in letters()[:9]]
    write_lines(project.root / "train.jsonl", rows)
    split = {"split": {"validation": 0.0, "test": 3, "by": "rows"}, "leaks": {"canaries": 0}}
    own = _prepared(project, test=[], **split).report
    assert own.leaks is not None
    assert own.leaks.sets[0].own
    other = _prepared(project, leaks={"against": ["train.jsonl"], "canaries": 0}).report
    assert "data.check.max_contaminated" in "".join(other.reasons)


def test_a_system_turn_is_given_before_the_version_is_made(project: Workspace) -> None:
    own = [{"role": "system", "content": "Moja."}, {"role": "user", "content": "A?"}]
    rows = [*letters()[:3], {"messages": [*own, {"role": "assistant", "content": "Tak."}]}]
    write_lines(project.root / "train.jsonl", rows[:3])
    write_lines(project.root / "more.jsonl", rows[3:])
    given = {"train": ["train.jsonl", "more.jsonl"], "system": "Odpowiadaj krótko.", "leaks": {"canaries": 0}}
    made = _prepared(project, **given)
    systems = Counter(row.prompt[0]["content"] for row in made.parts["train"])
    assert systems == {"Odpowiadaj krótko.": 3, "Moja.": 1}
    assert all(row.prompt[0]["role"] == "system" for row in made.parts["test"])
    assert made.report.rows_given_system == 3 + len(made.parts["test"])
    again = prepare_again(made.lineage, project)["train"]
    assert [row.prompt for row in again] == [row.prompt for row in made.parts["train"]]
    before = _prepared(project, **given | {"system": None})
    assert before.report.rows_given_system == 0
    assert before.report.fingerprint != made.report.fingerprint
