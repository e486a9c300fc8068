"""`kamerton data leaks`: verdicts, canaries, exit codes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.records.leaks import LeakReport
from tiny_project import kamerton, letters, write_lines

TASK = """
task: letters
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
test_split: test
doc_to_text: "Letter: {{instruction}}"
doc_to_target: output
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ten of twenty test letters stand in the training rows, two of them without accents."""
    rows = letters()
    plain = str.maketrans("ąćęłńóśźż", "acelnoszz")
    copies = [{**row, "instruction": row["instruction"].translate(plain).upper()} for row in rows[40:42]]
    write_lines(tmp_path / "train.jsonl", [*rows[:48][:40], *rows[42:50], *copies])
    write_lines(tmp_path / "test.jsonl", rows[40:60])
    write_lines(tmp_path / "other.jsonl", [{"instruction": "Kto napisał Lalkę?", "output": "Bolesław Prus"}])
    (tmp_path / "task.yaml").write_text(TASK, encoding="utf-8")
    return tmp_path


def test_each_set_has_its_verdict_and_the_first_contaminated_one_fails(project: Path) -> None:
    words = ("data", "leaks", "train.jsonl", "--against", "test.jsonl", "task.yaml", "other.jsonl")
    done = kamerton(project, *words, "--json")
    report = LeakReport.model_validate(done.document)
    assert done.code == 1
    assert [(each.name, each.items) for each in report.sets] == [
        ("test.jsonl", 20),
        ("task.yaml", 20),
        ("other.jsonl", 1),
    ]
    assert report.training_rows == 50
    exact = [each.by_method.get("exact", 0) for each in report.sets]
    assert exact == [10, 10, 0]
    assert report.sets[2].contaminated == 0
    first = report.sets[0].found[0]
    assert (first.file, first.line, first.matches[0].file, first.matches[0].line) == (
        "test.jsonl",
        1,
        "train.jsonl",
        49,
    )
    assert [each.sort for each in report.sets[0].canaries] == ["exact", "near", "paraphrased", "none"]
    plain = kamerton(project, *words)
    assert plain.code == 1
    assert "test.jsonl:1 in train.jsonl:49: exact 1.00, question:" in plain.out
    assert "other.jsonl: 0 of 1 items (0.00%)" in plain.out
    assert "NO  task.yaml:" in plain.out
    assert "NO  other.jsonl:" not in plain.out
    assert "paraphrased" in plain.out


def test_a_tolerated_share_and_a_clean_set_pass(project: Path) -> None:
    base = ("data", "leaks", "train.jsonl", "--against")
    assert kamerton(project, *base, "test.jsonl", "--max-contaminated", "1").code == 0
    assert kamerton(project, *base, "other.jsonl", "--canaries", "0").code == 0


def test_options_reach_the_search(project: Path) -> None:
    words = ("data", "leaks", "train.jsonl", "--against", "test.jsonl", "--json")
    options = ("--ngram", "9", "--coverage", "0.5", "--similarity", "0.9", "--canaries", "3", "--seed", "7")
    report = LeakReport.model_validate(kamerton(project, *words, *options).document)
    assert (report.ngram, report.coverage, report.similarity, report.seed) == (9, 0.5, 0.9, 7)
    assert report.sets[0].canaries[0].planted == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "nix.jsonl"], "nix.jsonl"),
        (["--against", "nix.yaml"], "no such task file"),
        (["--against", "test.jsonl", "--ngram", "2"], "--ngram 2"),
        (["--against", "test.jsonl", "--coverage", "0"], "--coverage 0.0"),
        (["--against", "test.jsonl", "--max-contaminated", "5"], "between 0 and 1"),
        ([], "--against"),
    ],
)
def test_what_cannot_be_done_is_refused(project: Path, words: list[str], said: str) -> None:
    done = kamerton(project, "data", "leaks", "train.jsonl", *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
