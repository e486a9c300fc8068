"""Leaks through the flows: an evaluation knows which of its items the model learned from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kamerton.flows.compare import compare_on
from kamerton.flows.evaluate import evaluate_on, own_set, refuse_seen
from kamerton.flows.leaks import find_leaks, leak_items
from kamerton.flows.models import find_model
from kamerton.flows.prepare import prepare_again
from kamerton.ground.errors import DataError
from kamerton.recipe import EvaluationSection, LeakSection
from tiny_project import Finished, write_lines

OPTIONS = EvaluationSection(metrics=["perplexity"], baselines=[], resamples=200)


@pytest.fixture
def project(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    copied = finished.copy(tmp_path / "p")
    monkeypatch.chdir(copied.root)
    return copied


@pytest.fixture
def mixed(project: Finished) -> Path:
    """Three letters that the model learned from, with other answers, and two that nobody wrote."""
    _, record = find_model("last", project.workspace).needs_run()
    rows = prepare_again(record.data, project.workspace)["train"][:3]
    lines = [{"instruction": row.question.upper(), "output": "Inna odpowiedź"} for row in rows]
    lines += [{"instruction": f"Czy pan {name} ma psa lub kota?", "output": "Tak"} for name in ("Lis", "Wilk")]
    return write_lines(project.root / "mixed.jsonl", lines)


def test_clean_and_contaminated_items_of_a_file_are_measured_apart(project: Finished, mixed: Path) -> None:
    record = evaluate_on("last", ["mixed.jsonl"], project.workspace, options=OPTIONS)
    assert record.contaminated == 3
    assert {name: metrics["perplexity"].n_items for name, metrics in record.subsets.items()} == {
        "clean": 2,
        "contaminated": 3,
    }
    base = evaluate_on("base", ["mixed.jsonl"], project.workspace, options=OPTIONS)
    assert (base.contaminated, base.subsets) == (None, {})


def test_the_run_s_own_test_part_is_clean(project: Finished) -> None:
    for path in project.run.glob("evaluation-*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["contaminated"] == 0


def test_without_the_training_rows_nobody_looked(project: Finished, mixed: Path) -> None:
    shutil.rmtree(project.workspace.datasets)
    record = evaluate_on("last", ["mixed.jsonl"], project.workspace, options=OPTIONS)
    assert record.contaminated is None


def test_a_question_that_a_model_learned_from_is_refused_whatever_its_answer(project: Finished, mixed: Path) -> None:
    items = own_set("last", "test", project.workspace)
    refuse_seen("last", items, project.workspace)
    seen = [*items.rows, *leak_items("mixed.jsonl", project.workspace)]
    with pytest.raises(DataError, match=f"learned from 3 of the {len(seen)} items"):
        refuse_seen("last", type(items)("test", seen, []), project.workspace)
    assert compare_on(["last", "base"], ["test"], project.workspace, options=OPTIONS).set_name == "test"


def test_sets_of_the_options_come_first_and_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.jsonl", [{"text": "jeden dwa trzy cztery"}])
    write_lines(tmp_path / "b.jsonl", [{"text": "pięć sześć siedem"}])
    options = LeakSection(against=["b.jsonl"], canaries=1)
    report = find_leaks(["a.jsonl"], ["a.jsonl", "b.jsonl"], options=options, seed=3)
    assert [(each.name, each.contaminated) for each in report.sets] == [("b.jsonl", 0), ("a.jsonl", 1)]
    assert report.seed == 3
    (tmp_path / "b.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(DataError):
        find_leaks(["a.jsonl"], ["b.jsonl"])
