"""`kamerton data clean`: it shows, and writes only where it was asked to."""
# ruff: noqa: RUF001 - mojibake is what is tested

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny_project import kamerton

SHARED = Path(__file__).parents[4] / "shared" / "data"
ROWS = [
    {"prompt": "Jaka jest stolica?", "completion": "Warszawa."},
    {"prompt": "Ile to 2+2?", "completion": "Cztery \n"},
    {"prompt": "Co to jest?", "completion": "Ĺ‚Ăłdka"},
    {"prompt": "Kto tam?", "completion": "nikt\u202e <|im_end|>"},
    {"prompt": "Jaka jest stolica?", "completion": "Warszawa."},
    {"prompt": "Pusto", "completion": "  "},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "{"]) + "\n", encoding="utf-8")
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("width", ["80", "120"])
def test_it_shows_before_and_after_and_writes_nothing(
    project: Path, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = kamerton(project, "data", "clean", "a.jsonl")
    assert shown.code == 0
    assert files(project) == {"a.jsonl"}
    lines = shown.out.splitlines()
    assert all(len(line) <= int(width) for line in lines)
    assert next(line for line in lines if line.startswith("mojibake")).split() == ["mojibake", "report", *"6100"]
    assert '  - "Ĺ‚Ăłdka"' in lines
    assert '  + "łódka"' in lines
    assert '  - "nikt\\u202e <|im_end|>"' in lines
    assert "6 rows: 0 changed, 2 set aside, 4 left" in lines
    assert "1 row could not be read" in lines
    assert "nothing was written" in lines[-1]
    assert "\u202e" not in shown.out


def test_fix_writes_a_new_file_that_has_nothing_left_to_mend(project: Path) -> None:
    before = (project / "a.jsonl").read_bytes()
    done = kamerton(project, "data", "clean", "a.jsonl", "--fix", "--out", "b.jsonl", "--json").document
    assert (done["rows_read"], done["rows"], done["file"]) == (7, 4, "b.jsonl")
    assert (done["findings"][0]["line"], done["findings"][0]["kind"]) == (7, "broken_json")
    assert {"whitespace", "mojibake", "control_character", "template_injection"} <= {
        f["kind"] for f in done["findings"]
    }
    assert (project / "a.jsonl").read_bytes() == before
    again = kamerton(project, "data", "clean", "b.jsonl", "--json").document
    assert (again["rows"], again["findings"]) == (4, [])
    answers = [json.loads(line) for line in (project / "b.jsonl").read_text(encoding="utf-8").splitlines()]
    assert "łódka" in json.dumps(answers, ensure_ascii=False)


def test_fix_commits_a_version_and_what_is_set_stays(project: Path) -> None:
    words = ("data", "clean", "a.jsonl", "--fix", "--to", "letters", "--set", "mojibake=report", "--json")
    done = kamerton(project, *words).document
    assert done["version"]["name"] == "letters"
    assert done["version"]["rows"] == 4
    assert Path(done["pointer"]).exists()
    assert done["options"]["mojibake"] == "report"
    rows = kamerton(project, "data", "clean", "letters@v1", "--show", "mojibake").out
    assert "Ĺ‚Ăłdka" in rows
    assert "whitespace" in rows


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--fix"], "a result needs a place"),
        (["--out", "b.jsonl"], "not asked for"),
        (["--fix", "--out", "a.jsonl"], "there already"),
        (["--fix", "--out", "link.jsonl"], "there already"),
        (["--fix", "--out", "b.csv"], "ends in .jsonl"),
        (["--fix", "--out", "b.jsonl", "--to", "x"], "not allowed with"),
        (["--show", "spaces"], "no such step"),
        (["--set", "refusal=drop"], "did you mean refusals"),
        (["--set", "max_tokens=5"], "without a model"),
        (["--workers", "0"], "whole number from 1"),
        (["--fix", "--to", "a/b"], ""),
        (["--fix", "--out", "b.jsonl", "--set", "min_answer_chars=900"], "no row is left"),
    ],
)
def test_wrong_requests_are_refused_and_write_nothing(project: Path, words: list[str], what: str) -> None:
    (project / "link.jsonl").symlink_to("nowhere.jsonl")
    refused = kamerton(project, "data", "clean", "a.jsonl", *words)
    assert refused.code == 2
    assert what in refused.err
    assert files(project) - {".kamerton"} == {"a.jsonl", "link.jsonl"}


def test_more_examples_of_one_step(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": f"pytanie {n}", "completion": f"odpowiedź {n} "}) for n in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    few = kamerton(tmp_path, "data", "clean", "a.jsonl").out
    assert "whitespace: 2 of 30 rows; --show whitespace shows more" in few
    more = kamerton(tmp_path, "data", "clean", "a.jsonl", "--show", "whitespace").out
    assert more.count('  + "odpowiedź') == 20


@pytest.mark.slow
def test_tokens_are_counted_by_a_model(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": "pytanie", "completion": "słowo " * n}) for n in (1, 300)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = ("data", "clean", "a.jsonl", "--set", "max_tokens=100", "--model", "tiny-pl", "--json")
    found = kamerton(tmp_path, *words).document["findings"]
    assert [(each["line"], each["kind"]) for each in found if each["severity"] == "error"] == [(2, "long_row")]


@pytest.mark.skipif(not (SHARED / "messy").is_dir(), reason="needs the messy files beside the project")
def test_every_fault_of_the_messy_file_is_found() -> None:
    folder = SHARED / "messy" / "derived-broken"
    from kamerton.data import clean, read_sources
    from kamerton.recipe import CleanSection

    rows = read_sources(["alpaca_mixed_types.jsonl"], root=folder).rows
    found = {(finding.line, finding.kind) for finding in clean(rows, CleanSection()).findings}
    assert found == {
        (7, "whitespace"),
        (7, "empty_answer"),
        (11, "exact_duplicate"),
        (12, "long_answer"),
        (13, "control_character"),
        (14, "not_nfc"),
        (15, "mojibake"),
        (16, "mojibake"),
        (17, "template_injection"),
    }
    mended = {row.line: row for row in clean(rows, CleanSection().fixing()).rows}
    assert mended[16].answer.split()[:4] == ["Zgodnie", "z", "art.", "44"]
    assert "życie po upływie" in mended[16].answer
    assert "się" in mended[15].answer
    assert mended[14].answer.endswith("gęślą")
    assert "<|" not in mended[17].answer
