"""`kamerton data split`: every way of parting, the files that it leaves, and what it says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tiny_project import Answer, kamerton, letters, write_lines


@pytest.fixture
def project(tmp_path: Path) -> Path:
    authors = ["Anna", "Jerzy", "Maria", "Piotr", "Zofia", "Jan", "Ewa", "Adam"]
    rows = [
        row | {"author": authors[number % 8], "sent": f"2024-{1 + number // 7:02}-{1 + number % 7:02}"}
        for number, row in enumerate(letters())
    ]
    write_lines(tmp_path / "letters.jsonl", rows)
    return tmp_path


def split(project: Path, *flags: str) -> Answer:
    return kamerton(project, "data", "split", "letters.jsonl", "--out", "parts", *flags)


def rows(project: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project / "parts" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_numbers_strata_and_categories(project: Path) -> None:
    done = split(project, "--test", "12", "--validation", "6", "--stratify", "category", "--json")
    assert [done.document[name] for name in ("train", "validation", "test")] == [54, 6, 12]
    assert done.document["categories"]["test"] == {"Drogi": 4, "Odpady": 4, "Zieleń": 4}
    assert Counter(row["category"] for row in rows(project, "validation")) == {"Drogi": 2, "Odpady": 2, "Zieleń": 2}
    assert "test.jsonl: 12 rows: Drogi 4, Odpady 4, Zieleń 4" in done.err


def test_folds_have_one_test_part_and_every_other_row_once(project: Path) -> None:
    done = split(project, "--test", "12", "--folds", "3", "--json")
    assert done.code == 0
    names = [f"fold{fold}/{part}" for fold in range(3) for part in ("train", "validation")]
    assert {name for name in done.document if name not in {"categories", "findings"}} == {"test", *names}
    lines = [json.dumps(row) for fold in range(3) for row in rows(project, f"fold{fold}/validation")]
    assert len(set(lines)) == len(lines) == 60
    test = {json.dumps(row) for row in rows(project, "test")}
    assert len(test) == 12
    for fold in range(3):
        train = {json.dumps(row) for row in rows(project, f"fold{fold}/train")}
        validation = {json.dumps(row) for row in rows(project, f"fold{fold}/validation")}
        assert len(train | validation | test) == 72
        assert train.isdisjoint(validation)


def test_groups_stay_whole_and_alike_rows_of_two_groups_are_told(project: Path) -> None:
    alike = letters()[0] | {"instruction": letters()[0]["instruction"].replace("Proszę", "Proszę bardzo")}
    both = [alike | {"author": author} for author in ("Anna", "Jerzy", "Maria", "Piotr", "Zofia", "Jan", "Ewa", "Adam")]
    write_lines(project / "letters.jsonl", both + [row | {"author": "Ola"} for row in letters()])
    done = split(project, "--by", "group", "--columns", "group=author", "--test", "3", "--validation", "2", "--json")
    assert [done.document[name] for name in ("validation", "test")] == [2, 3]
    assert [found["kind"] for found in done.document["findings"]].count("parted_cluster") == 1
    assert "1 clusters of alike rows stand on several sides" in done.err
    together = kamerton(
        project, "data", "split", "letters.jsonl", "--out", "two", "--columns", "group=author", "--json"
    )
    assert "parted_cluster" not in together.out


def test_by_time_the_newest_are_the_test_part(project: Path) -> None:
    done = split(project, "--by", "time", "--columns", "time=sent", "--test", "7", "--validation", "7")
    assert done.code == 0
    newest = {part: sorted(row["time"] for row in rows(project, part)) for part in ("train", "validation", "test")}
    assert newest["train"][-1] <= newest["validation"][0]
    assert newest["validation"][-1] <= newest["test"][0]


def test_an_empty_part_is_told(project: Path) -> None:
    done = split(project, "--by", "group", "--columns", "group=category", "--test", "3", "--validation", "0")
    assert "test is empty: " in done.out
    assert "validation is empty" not in done.out


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--by", "group"], "no row has a group"),
        (["--by", "time"], "72 of 72 rows have no time that can be read"),
        (["--by", "time", "--columns", "time=author"], "'Anna', 'Jerzy', 'Maria'"),
        (["--by", "time", "--columns", "time=sent", "--folds", "3"], "newer than those"),
        (["--stratify", "task"], "no row has a task"),
        (["--folds", "1"], "--folds: Input should be greater than or equal to 2"),
        (["--folds", "x"], "is not a whole number from 1"),
        (["--test", "abc"], "neither a share nor a number of rows"),
        (["--test", "nan"], "--test: "),
        (["--test", "72"], "none is left to train on"),
        (["--columns", "group"], "names no column"),
        (["--columns", "gruop=author"], "--columns gruop: "),
        (["--by", "clusters"], "invalid choice"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(flags: list[str], told: str, project: Path) -> None:
    done = split(project, *flags)
    assert done.code == 2
    assert told in done.err
    assert not (project / "parts").exists()


def test_files_of_folds_are_not_written_over(project: Path) -> None:
    (project / "parts" / "fold1").mkdir(parents=True)
    (project / "parts" / "fold1" / "train.jsonl").write_text("mine", encoding="utf-8")
    done = split(project, "--folds", "2")
    assert done.code == 2
    assert "fold1/train.jsonl" in done.err
    assert [path.name for path in (project / "parts").iterdir()] == ["fold1"]


def test_a_file_that_cannot_be_written_leaves_none_of_the_split(project: Path) -> None:
    (project / "parts").mkdir()
    (project / "parts" / "fold1").write_text("a file in the way")
    done = split(project, "--folds", "3", "--json")
    assert (done.code, done.document["error"]) == (3, "StorageError")
    assert [path.name for path in (project / "parts").rglob("*") if path.is_file()] == ["fold1"]
    (project / "parts" / "fold1").unlink()
    assert split(project, "--folds", "3").code == 0
