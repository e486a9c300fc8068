"""`kamerton data`: every action, and what it does with rows that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny_project import kamerton, letters, write_lines


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_lines(tmp_path / "letters.jsonl", letters())
    return tmp_path


@pytest.fixture
def broken(project: Path) -> Path:
    """The same with a line that is cut off, one without an answer, and one that stands twice."""
    path = project / "letters.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3][:40]
    lines[5] = json.dumps({"instruction": "Kto mi odpowie?", "output": " ", "category": ""}, ensure_ascii=False)
    path.write_text("\n".join([*lines, lines[0]]) + "\n", encoding="utf-8")
    return project


def test_read_shows_rows_and_how_they_were_understood(project: Path) -> None:
    plain = kamerton(project, "data", "read", "letters.jsonl")
    assert plain.code == 0
    assert "letters.jsonl: 72 of 72 rows, alpaca" in plain.out
    document = kamerton(project, "data", "read", "letters.jsonl", "--json").document
    assert document["sources"][0]["rows_ok"] == 72
    assert document["findings"] == []
    assert document["rows"][0]["messages"][0]["content"] == letters()[0]["instruction"]


def test_read_tells_what_it_could_not_read(broken: Path) -> None:
    done = kamerton(broken, "data", "read", "letters.jsonl", "--json")
    assert [(f["line"], f["kind"]) for f in done.document["findings"]] == [(4, "broken_json")]
    assert "letters.jsonl:4: error: broken_json:" in done.err


def test_check_gives_the_keys_that_machines_read(broken: Path) -> None:
    done = kamerton(broken, "data", "check", "letters.jsonl", "--json")
    document = done.document
    assert done.code == 1
    assert (document["rows_read"], document["rows_ok"], document["passed"]) == (73, 72, False)
    assert all({"file", "line", "kind", "message"} <= finding.keys() for finding in document["findings"])
    assert [(f["file"], f["line"], f["kind"]) for f in document["findings"]] == [
        ("letters.jsonl", 4, "broken_json"),
        ("letters.jsonl", 6, "whitespace"),
        ("letters.jsonl", 6, "empty_answer"),
        ("letters.jsonl", 73, "exact_duplicate"),
    ]
    assert [item["name"] for item in document["checklist"] if item["state"] == "failed"] == ["readable"]
    assert "1 of 73 rows (1.37%) could not be read; data.check.max_bad_rows allows 0.00%" in " ".join(done.err.split())


def test_check_passes_good_rows(project: Path) -> None:
    done = kamerton(project, "data", "check", "letters.jsonl")
    assert done.code == 0
    assert "rows read 72, understood 72, usable 72" in done.out


def test_check_shows_findings_by_kind_and_gives_all(project: Path) -> None:
    write_lines(project / "twice.jsonl", letters()[:1] * 26)
    done = kamerton(project, "data", "check", "twice.jsonl", "--json")
    assert done.err.count("exact_duplicate") == 1
    assert "twice.jsonl:2, 3, 4, 5 and 21 more" in done.err
    assert len(done.document["findings"]) == 25


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_a_check_fits_the_screen(broken: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = kamerton(broken, "data", "check", "letters.jsonl", "--recipe", str(_recipe(broken)))
    lines = done.out.splitlines()
    bars = [line for line in lines if "█" in line]
    assert bars
    assert max(map(len, bars)) <= int(columns)
    tables = [line for line in lines if line.startswith(("NO  ", "ok  ", "??  ", "--  "))]
    assert {line.split()[1] for line in tables} >= {"readable", "train_rows", "test_power", "leaks", "privacy"}
    assert max(map(len, tables)) <= int(columns)


def test_check_with_a_recipe_parts_the_rows_and_keeps_to_its_thresholds(project: Path) -> None:
    done = kamerton(project, "data", "check", "letters.jsonl", "--recipe", str(_recipe(project)), "--json")
    document = done.document
    assert done.code == 1
    assert sum(document["splits"].values()) == 72
    failed = {item["name"]: item["text"] for item in document["checklist"] if item["state"] == "failed"}
    assert failed["test_rows"] == f"the test part has {document['splits']['test']} rows"
    assert f"{failed['test_rows']}; data.check.min_test_rows is 60" in document["reasons"]
    assert len(document["reasons"]) == sum(item["state"] == "failed" for item in document["checklist"])
    assert document["statistics"]["tokens"]["model"] == "tiny-pl"


def test_check_names_rows_that_are_too_long_for_a_model(project: Path) -> None:
    write_lines(
        project / "long.jsonl", [*letters()[:30], {"instruction": "Powtarzaj", "output": ("bardzo " * 400).strip()}]
    )
    done = kamerton(project, "data", "check", "long.jsonl", "--model", "tiny-pl", "--max-length", "256", "--json")
    assert [(f["line"], f["kind"]) for f in done.document["findings"]] == [(31, "truncated")]
    assert done.document["statistics"]["tokens"]["max_length"] == 256
    refused = kamerton(project, "data", "check", "long.jsonl", "--max-length", "0")
    assert (refused.code, "not a whole number from 1" in refused.err) == (2, True)
    missing = kamerton(project, "data", "check", "long.jsonl", "--model", "no-such")
    assert (missing.code, "no such model" in missing.err) == (2, True)


def test_check_against_a_set_finds_its_items(project: Path) -> None:
    write_lines(project / "exam.jsonl", [letters()[5], {"instruction": "Jaka jest stolica Peru?", "output": "Lima"}])
    done = kamerton(project, "data", "check", "letters.jsonl", "--against", "exam.jsonl", "--json")
    (found,) = done.document["leaks"]["sets"]
    assert (done.code, found["name"], found["items"], found["contaminated"]) == (1, "exam.jsonl", 2, 1)
    assert "leaks exam.jsonl: 1 of 2 items (50.00%) stand in the training rows" in " ".join(done.err.split())


@pytest.mark.slow
def test_check_by_workers_finds_the_same(project: Path) -> None:
    write_lines(project / "many.jsonl", [{"text": f"zdanie numer {n} " * 3} for n in range(1200)])
    words = ("data", "check", "many.jsonl", "--json")
    assert kamerton(project, *words, "--workers", "2").document == kamerton(project, *words).document


def test_check_with_a_shape_still_reads_the_columns_that_the_recipe_names(project: Path) -> None:
    write_lines(project / "odd.jsonl", [{"q": f"Pytanie {n}?", "completion": f"tak {n}"} for n in range(5)])
    recipe = project / "odd.yaml"
    recipe.write_text(
        "name: odd\nmodel: {base: tiny-pl}\ndata: {train: [odd.jsonl], columns: {prompt: q}, max_rows: 3}\n",
        encoding="utf-8",
    )
    words = ("data", "check", "odd.jsonl", "--recipe", str(recipe), "--json")
    for more in ((), ("--shape", "prompt_completion")):
        document = kamerton(project, *words, *more).document
        assert (document["rows_ok"], document["rows_read"]) == (3, 3)


def test_check_shows_what_augmentation_made_and_refused(project: Path) -> None:
    recipe = _recipe(project)
    steps = "  augment: [{kind: templates, templates: ['{prompt}', 'Proszę: {prompt}'], copies: 2}]\n"
    recipe.write_text(recipe.read_text(encoding="utf-8") + steps, encoding="utf-8")
    done = kamerton(project, "data", "check", "letters.jsonl", "--recipe", str(recipe), "--json")
    made = done.document["augmentation"]
    (step,) = made["steps"]
    assert step["refused"].keys() == {"unchanged", "duplicate"}
    assert f"Augmentation: {made['made']} new rows" in done.err
    assert f"duplicate {step['refused']['duplicate']}, unchanged {step['refused']['unchanged']}" in done.err
    assert "Proszę: " in done.err


def test_check_writes_a_page(project: Path) -> None:
    done = kamerton(project, "data", "check", "letters.jsonl", "--html", "out/report.html", "--language", "pl")
    assert (done.code, "page: out/report.html" in done.out) == (0, True)
    page = (project / "out" / "report.html").read_text(encoding="utf-8")
    assert 'lang="pl"' in page
    assert "Lista kontrolna" in page


def _recipe(folder: Path) -> Path:
    text = "name: letters\nmodel: {base: tiny-pl}\ndata:\n  train: [letters.jsonl]\n  check: {min_test_rows: 60}\n"
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return folder / "recipe.yaml"


def test_commit_log_show_tag_diff_export(project: Path) -> None:
    first = kamerton(project, "data", "commit", "desk", "letters.jsonl", "--message", "all", "--json").document
    assert (first["version"], first["rows"], first["findings"]) == (1, 72, [])
    assert Path(first["pointer"]).is_relative_to(project.resolve())
    write_lines(project / "letters.jsonl", [*letters()[1:], {"instruction": "Nowy list?", "output": "Wydział: Drogi"}])
    plain = kamerton(project, "data", "commit", "desk", "letters.jsonl", "--tag", "later")
    assert plain.out.startswith("desk@v2: 72 rows, fingerprint ")
    assert max(len(line.split()[-1]) for line in plain.out.splitlines()[:1]) == 64
    log = kamerton(project, "data", "log", "desk", "--json").document
    assert [(v["version"], v["tags"], v["message"]) for v in log] == [(2, ["later"], ""), (1, [], "all")]
    assert kamerton(project, "data", "tag", "desk@v1", "first", "--json").document["tags"] == ["first"]
    shown = kamerton(project, "data", "show", "desk@first", "--json").document
    assert (shown["fingerprint"], len(shown["first_rows"])) == (first["fingerprint"], 5)
    diff = kamerton(project, "data", "diff", "desk@first", "desk@later", "--json").document
    assert [row["messages"][0]["content"] for row in diff["added"]] == ["Nowy list?"]
    assert [row["messages"][0]["content"] for row in diff["removed"]] == [letters()[0]["instruction"]]
    people = kamerton(project, "data", "diff", "desk@first", "desk@later").out.splitlines()
    assert people[0] == "1 rows added, 1 removed, 0 changed"
    assert [line[:2] for line in people[1:]] == ["+ ", "- "]
    done = kamerton(project, "data", "export", "desk@first", "--out", "out/first.jsonl", "--json").document
    assert done["rows"] == 72
    again = kamerton(project, "data", "commit", "again", "out/first.jsonl", "--json").document
    assert again["fingerprint"] == first["fingerprint"]


def test_a_log_fits_the_screen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    message = "a long message about what was changed and why it had to be changed that day"
    kamerton(project, "data", "commit", "desk", "letters.jsonl", "--message", message, "--tag", "first")
    lines = kamerton(project, "data", "log", "desk").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).count("…") == 0


def test_a_commit_leaves_no_row_out_silently(broken: Path) -> None:
    refused = kamerton(broken, "data", "commit", "desk", "letters.jsonl")
    assert refused.code == 2
    assert "letters.jsonl:4: 1 rows cannot be read; the first: not JSON" in refused.err
    assert not (broken / "datasets").exists()
    lines = (broken / "letters.jsonl").read_text(encoding="utf-8").splitlines()
    (broken / "letters.jsonl").write_text("\n".join([*lines[:3], *lines[4:]]) + "\n", encoding="utf-8")
    done = kamerton(broken, "data", "commit", "desk", "letters.jsonl", "--json")
    assert [finding["kind"] for finding in done.document["findings"]] == [
        "whitespace",
        "empty_answer",
        "exact_duplicate",
    ]
    assert "letters.jsonl:5: error: empty_answer" in done.err
    assert done.document["rows"] == 70


def test_split_parts_every_row_once(project: Path) -> None:
    done = kamerton(project, "data", "split", "letters.jsonl", "--out", "parts", "--test", "0.3", "--json")
    counts = {name: done.document[name] for name in ("train", "validation", "test")}
    assert (sum(counts.values()), done.document["findings"]) == (72, [])
    rows = [line for name in counts for line in (project / "parts" / f"{name}.jsonl").read_text("utf-8").splitlines()]
    assert len(set(rows)) == 72
    refused = kamerton(project, "data", "split", "letters.jsonl", "--out", "parts")
    assert (refused.code, "the file is there already" in refused.err) == (2, True)


def test_split_leaves_no_row_out_silently(broken: Path) -> None:
    assert kamerton(broken, "data", "split", "letters.jsonl", "--out", "parts").code == 2
    assert not (broken / "parts").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--test", "1.0"], "--test: Input should be less than 1"),
        (["--validation", "-0.1"], "--validation: Input should be greater than or equal to 0"),
        (["--validation", "0.5", "--test", "0.5"], "validation + test must leave something to train on"),
    ],
)
def test_shares_that_cannot_be_are_refused(flags: list[str], told: str, project: Path) -> None:
    done = kamerton(project, "data", "split", "letters.jsonl", "--out", "parts", *flags)
    assert done.code == 2
    assert told in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["log", "nothing"], "no such data set"),
        (["show", "desk@v9"], "no such version"),
        (["diff", "desk@v1", "desk@nope"], "no such version"),
        (["tag", "desk@v1", "v7"], "may not look like a version number"),
        (["export", "desk@nope", "--out", "x.jsonl"], "no such version"),
        (["commit", "a/b", "letters.jsonl"], "not a data-set reference"),
        (["check", "nowhere.jsonl"], "no such file"),
        (["check", "*.csv"], "no file matches"),
    ],
)
def test_what_is_not_there_is_named(words: list[str], told: str, project: Path) -> None:
    kamerton(project, "data", "commit", "desk", "letters.jsonl")
    done = kamerton(project, "data", *words)
    assert done.code == 2
    assert told in done.err
    assert "expected: " in done.err


PART = ("--columns", "prompt=pytanie", "--columns", "answer=odp")


@pytest.mark.parametrize(
    "words",
    [
        ("read",),
        ("check",),
        ("clean", "--fix", "--out", "c.jsonl"),
        ("protect", "--action", "mask", "--out", "p.jsonl"),
        ("split", "--out", "parts"),
    ],
)
def test_columns_of_other_names_are_mapped_where_files_are_read(tmp_path: Path, words: tuple[str, ...]) -> None:
    write_lines(tmp_path / "odd.jsonl", [{"pytanie": f"Pytanie {n} o {n * n}?", "odp": f"tak {n}"} for n in range(40)])
    action, *more = words
    refused = kamerton(tmp_path, "data", "read", "odd.jsonl")
    assert "--columns prompt=COLUMN --columns answer=COLUMN" in refused.out
    done = kamerton(tmp_path, "data", action, "odd.jsonl", *more, *PART)
    assert (done.code, "unknown_shape" in done.out) == (0, False)


def test_a_commit_takes_columns(tmp_path: Path) -> None:
    write_lines(tmp_path / "odd.jsonl", [{"pytanie": "Ile?", "odp": "tak", "dz": "Drogi"}])
    done = kamerton(tmp_path, "data", "commit", "odd", "odd.jsonl", *PART, "--columns", "category=dz", "--json")
    assert done.document["rows"] == 1
    assert kamerton(tmp_path, "data", "show", "odd", "--json").document["first_rows"][0]["category"] == "Drogi"


def test_columns_of_the_arguments_come_before_the_recipes(project: Path) -> None:
    write_lines(project / "odd.jsonl", [{"q": f"Co {n}?", "a": f"tak {n}", "b": f"nie {n}"} for n in range(5)])
    recipe = project / "odd.yaml"
    recipe.write_text(
        "name: odd\nmodel: {base: tiny-pl}\ndata: {train: [odd.jsonl], columns: {prompt: q, answer: a}}\n",
        encoding="utf-8",
    )
    words = ("data", "check", "odd.jsonl", "--recipe", str(recipe), "--columns", "answer=b", "--json")
    document = kamerton(project, *words).document
    assert document["sources"][0]["shape_reason"].startswith("columns q and b")


@pytest.mark.parametrize(("given", "told"), [("promt=q", "--columns promt"), ("prompt", "names no column")])
def test_a_part_that_is_none_is_refused(project: Path, given: str, told: str) -> None:
    done = kamerton(project, "data", "read", "letters.jsonl", "--columns", given)
    assert (done.code, told in done.err) == (2, True)
