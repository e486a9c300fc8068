"""`kamerton data prepare`: the rows that a run would learn from, as files, and what each step did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kamerton as package
from kamerton.ground.settings import Workspace
from kamerton.records.data import DataReport
from tiny_project import Answer, kamerton, letters, write_lines

FILES = {"train.jsonl", "validation.jsonl", "test.jsonl", "data_report.json", "data_report.html"}
RECIPE = """\
name: letters
model: {base: tiny-pl}
data:
  train: [letters.jsonl]
  split: {validation: 0.1, test: 0.25}
  check: {min_train_rows: 10, min_test_rows: 8}
"""
EVERYTHING = (
    "data.train=[letters.jsonl, {source: more.jsonl, weight: 2.5}]",
    "data.privacy.action=mask",
    "data.leaks={action: drop, against: [exam.jsonl], canaries: 0}",
    "data.check.max_contaminated=0.99",
    "data.augment=[{kind: templates, templates: ['{prompt}', 'Proszę: {prompt}']}]",
    "data.balance={by: category, to: 8, method: sample}",
    "data.mix={replay: [{source: old.jsonl, ratio: 0.2}]}",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    rows = letters()
    rows[1]["instruction"] += " Mój PESEL to 44051401359."
    write_lines(tmp_path / "letters.jsonl", [*rows, rows[0]])
    write_lines(
        tmp_path / "more.jsonl",
        [{"instruction": f"Pytanie {n} o park, {'abcdef'[n] * 9}?", "output": f"Tak {n}"} for n in range(6)],
    )
    write_lines(tmp_path / "exam.jsonl", rows[5:25])
    write_lines(
        tmp_path / "old.jsonl",
        [{"instruction": f"Dawna sprawa {n} {'uvwxyz'[n % 6] * n}", "output": f"Nie {n}"} for n in range(9)],
    )
    return tmp_path


def prepare(folder: Path, *words: str) -> Answer:
    return kamerton(folder, "data", "prepare", "recipe.yaml", "--out", "ready", *words)


def rows(folder: Path, part: str) -> list[dict[str, Any]]:
    text = (folder / "ready" / f"{part}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_parts_and_the_report_are_written(project: Path) -> None:
    done = prepare(project, "--json").document
    assert {path.name for path in (project / "ready").iterdir()} == FILES
    counts = {name: len(rows(project, name)) for name in ("train", "validation", "test")}
    assert done["files"] == {f"ready/{name}.jsonl": count for name, count in counts.items()}
    assert sum(counts.values()) == 72
    assert not any("weight" in row for row in rows(project, "train"))
    report = DataReport.read(project / "ready" / "data_report.json")
    assert report.model_dump(mode="json") == done["report"]
    assert report.splits == counts
    assert not (project / ".kamerton" / "datasets").exists(), "no version is made"
    page = (project / "ready" / "data_report.html").read_text(encoding="utf-8")
    assert report.fingerprint[:16] in page


def test_the_files_are_the_rows_that_the_run_learns_from(project: Path) -> None:
    from kamerton.flows.prepare import prepare as prepare_run
    from kamerton.flows.train import load_recipe

    prepare(project)
    parts = prepare_run(load_recipe(project / "recipe.yaml").recipe, Workspace.at(project), commit=False).parts
    for name, learned in parts.items():
        again = package.read_data([f"ready/{name}.jsonl"], Workspace.at(project))
        assert again.findings == []
        assert [row.row_hash for row in again.rows] == [row.row_hash for row in learned]


def test_each_step_says_what_it_did(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = prepare(project, *EVERYTHING)
    told = dict(line.split("  ", 1) for line in done.out.splitlines() if "  " in line)
    told = {name: text.strip() for name, text in told.items()}
    assert done.code == 0
    assert told["read"] == "79 rows of 2 files, 79 understood"
    assert told["clean"].endswith("1 set aside")
    assert told["privacy"] == "personal data or secrets in 1 rows: 1 changed, 0 set aside"
    assert "exam.jsonl: " in told["leaks"]
    assert told["leaks"].endswith(" training rows set aside")
    assert told["augment"].startswith("templates: ")
    assert "refused: " in told["augment"]
    assert "unchanged " in told["augment"]
    assert told["balance"].endswith(" training rows taken out")
    assert told["replay"] == "old.jsonl: 9 rows to see again"
    assert told["more.jsonl"].split()[1] == "2.5"
    assert told["replay old.jsonl"].endswith("20.0%")
    assert "the data passed" in done.out


def test_rows_that_are_not_seen_equally_often_say_so(project: Path) -> None:
    done = prepare(project, *EVERYTHING, "--json").document
    train = rows(project, "train")
    assert {row["weight"] for row in train} >= {1.0, 2.5}
    assert sum(row["weight"] for row in train) * 0.2 == pytest.approx(
        9 * done["sets"]["replay old.jsonl"]["least_weight"]
    )
    assert sum(found["share"] for found in done["sets"].values()) == pytest.approx(1)
    assert sum(found["rows"] for found in done["sets"].values()) == len(train)
    assert not any("weight" in row for row in rows(project, "test"))
    made = [row for row in train if "augmented_from" in row]
    assert made
    assert len(made) <= done["report"]["augmentation"]["made"]
    assert "44051401359" not in "".join(path.read_text("utf-8") for path in (project / "ready").iterdir())


def test_a_part_without_rows_has_no_file(project: Path) -> None:
    done = prepare(project, "data.split.validation=0")
    assert "validation: no rows, and no file" in done.out
    assert {path.name for path in (project / "ready").iterdir()} == FILES - {"validation.jsonl"}


def test_data_that_does_not_pass_is_written_and_exits_with_1(project: Path) -> None:
    done = prepare(project, "data.check.min_test_rows=60")
    assert done.code == 1
    assert "data.check.min_test_rows is 60" in done.out
    assert {path.name for path in (project / "ready").iterdir()} == FILES


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_folder_that_has_one_of_the_files_is_refused(project: Path, name: str) -> None:
    (project / "ready").mkdir()
    (project / "ready" / name).write_text("mine", encoding="utf-8")
    refused = prepare(project)
    assert (refused.code, name in refused.err) == (2, True)
    assert {path.name for path in (project / "ready").iterdir()} == {name}
    assert (project / "ready" / name).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["data.train=[nowhere.jsonl]"], "no such file"),
        (["data.augmnt=[]"], "augment"),
        (["model.base=nothing-here"], "no such model"),
        (["data.max_rows=1", "data.check.min_test_rows=0", "data.split.test=1"], ""),
    ],
)
def test_what_cannot_be_prepared_writes_nothing(project: Path, words: list[str], what: str) -> None:
    refused = prepare(project, *words)
    assert refused.code in {2, 3}
    assert what in refused.err
    assert "inside Kamerton" not in refused.err
    assert not (project / "ready").exists()


def test_other_files_of_the_folder_stay(project: Path) -> None:
    write_lines(project / "ready" / "notes.jsonl", [{"a": 1}])
    assert prepare(project).code == 0
    assert {path.name for path in (project / "ready").iterdir()} == FILES | {"notes.jsonl"}
