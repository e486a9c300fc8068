"""`kamerton data`: versions, exports and the check of hosted files, as a user types them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kamerton.cli.main import main
from kamerton.ground.errors import StorageError
from tiny_project import kamerton, letters, write_lines


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two versions: in the second, the first answer is another and the last letter is gone."""
    rows = letters()
    write_lines(tmp_path / "letters.jsonl", rows)
    assert kamerton(tmp_path, "data", "commit", "desk", "letters.jsonl", "--tag", "first").code == 0
    write_lines(tmp_path / "letters.jsonl", [rows[0] | {"output": "Wydział: Zieleń i lasy"}, *rows[1:-1]])
    assert kamerton(tmp_path, "data", "commit", "desk", "letters.jsonl").code == 0
    return tmp_path


def test_diff_shows_the_words_that_changed(project: Path) -> None:
    people = kamerton(project, "data", "diff", "desk@first", "desk").out
    assert people.startswith("0 rows added, 1 removed, 1 changed\n")
    assert "messages[1].content: " in people
    assert "lasy+}" in people
    found = kamerton(project, "data", "diff", "desk@first", "desk", "--json").document
    assert (len(found["added"]), len(found["removed"]), len(found["changed"])) == (0, 1, 1)
    change = found["changed"][0]
    assert change["before"]["messages"][0] == change["after"]["messages"][0]
    spans = change["fields"]["messages[1].content"]
    for side, op in (("before", "removed"), ("after", "added")):
        text = "".join(span["text"] for span in spans if span["op"] in ("same", op))
        assert text == change[side]["messages"][1]["content"]


def test_a_long_change_is_broken_between_words_and_stays_beside_its_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "Odpowiedź " + "na tę sprawę znajdą Państwo w Biuletynie Informacji Publicznej " * 2
    for answer in (before + "stare słowa tutaj", before + "zupełnie inne słowa " + "i dalszy ciąg zdania " * 6):
        write_lines(tmp_path / "a.jsonl", [{"instruction": "Pytanie?", "output": answer.strip()}])
        assert kamerton(tmp_path, "data", "commit", "desk", "a.jsonl").code == 0
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        _, _, first, *others = kamerton(tmp_path, "data", "diff", "desk@v1", "desk").out.splitlines()
        label = "    messages[1].content: "
        assert first.startswith(label + "Odpowiedź na tę")
        assert others
        assert all(line.startswith(" " * len(label)) and line[len(label)] != " " for line in others)
        assert all(len(line) <= columns and line == line.rstrip() for line in (first, *others))
        said = " ".join(line[len(label) :] for line in (first, *others))
        assert "[-stare-]{+zupełnie inne+} słowa" in said


def test_a_commit_of_the_same_rows_says_that_there_is_no_new_version(project: Path) -> None:
    assert "no new version" not in kamerton(project, "data", "log", "desk").out
    again = kamerton(project, "data", "commit", "desk", "letters.jsonl", "--message", "once more", "--json")
    found = again.document
    assert (again.code, found["version"], found["new"], found["message"]) == (0, 2, False, "")
    assert "no new version: v2 has the same rows; the message is not kept" in again.err
    write_lines(project / "letters.jsonl", letters()[:5])
    new = kamerton(project, "data", "commit", "desk", "letters.jsonl", "--json")
    assert (new.document["version"], new.document["new"], "no new version" in new.err) == (3, True, False)


def test_restore_and_verify(project: Path) -> None:
    first = kamerton(project, "data", "show", "desk@first", "--json").document
    back = kamerton(project, "data", "restore", "desk@first", "--message", "too early", "--json").document
    assert (back["version"], back["fingerprint"], back["message"]) == (3, first["fingerprint"], "too early")
    assert json.loads(Path(back["pointer"]).read_text("utf-8"))["version"] == 3
    checked = kamerton(project, "data", "verify", "--json")
    assert [version["version"] for version in checked.document] == [3, 2, 1]
    assert "desk@v2: 71 rows are those of " in checked.err
    one = kamerton(project, "data", "verify", "desk@first", "nothing")
    assert (one.code, "no such data set" in one.err) == (2, True)
    data = next((project / ".kamerton" / "datasets" / "desk.lance" / "data").glob("*.lance"))
    data.write_bytes(data.read_bytes()[:-200])
    broken = kamerton(project, "data", "verify")
    assert broken.code == StorageError.exit_code


def test_verify_looks_at_all_versions_before_it_tells_of_a_damaged_one(project: Path) -> None:
    write_lines(project / "letters.jsonl", letters()[:5])
    kamerton(project, "data", "commit", "other", "letters.jsonl")
    first = min((project / ".kamerton" / "datasets" / "desk.lance" / "data").glob("*.lance"), key=os.path.getmtime)
    first.unlink()
    broken = kamerton(project, "data", "verify", "--json")
    assert (broken.code, broken.document["error"]) == (3, "StorageError")
    assert broken.document["where"] == "desk@v2, desk@v1"
    assert "1 other versions are as they were committed" in broken.document["what"]
    assert "restore the folder from a copy" in broken.document["mend"]


@pytest.mark.parametrize(
    ("form", "out", "files"),
    [
        ("jsonl", "out/d.jsonl", ["out/d.jsonl"]),
        ("openai", "d.jsonl", ["d.jsonl"]),
        ("llamafactory", "lf", ["lf/desk.jsonl"]),
        ("parquet", "d.parquet", ["d.parquet"]),
    ],
)
def test_export_writes_for_each_tool_and_says_what_is_lost(
    form: str, out: str, files: list[str], project: Path
) -> None:
    done = kamerton(project, "data", "export", "desk@first", "--format", form, "--out", out, "--json")
    assert done.code == 0
    assert done.document["files"] == [{"file": file, "rows": 72} for file in files]
    assert done.document["lost"] == ({} if form in ("jsonl", "parquet") else {"category": 72})
    assert ("lost: category, of 72 rows" in done.err) == bool(done.document["lost"])
    name = "lf/dataset_info.json:desk" if form == "llamafactory" else files[0]
    assert kamerton(project, "data", "read", name, "--json").document["sources"][0]["rows_ok"] == 72


def test_rows_that_a_format_cannot_carry_are_told_and_fail_the_export(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Pytanie?"}, {"role": "assistant", "content": "Tak.", "weight": 0}]
    more = [{"role": "user", "content": "Na pewno?"}, {"role": "assistant", "content": "Tak, na pewno."}]
    write_lines(tmp_path / "a.jsonl", [{"messages": turns + more}, {"messages": more}])
    assert kamerton(tmp_path, "data", "commit", "desk", "a.jsonl").code == 0
    done = kamerton(tmp_path, "data", "export", "desk", "--format", "llamafactory", "--out", "lf", "--json")
    assert (done.code, len(done.document["refused"]), done.document["files"][0]["rows"]) == (1, 1, 1)
    assert "a.jsonl:1: error: untrained_answer: " in done.err


def test_validate_says_yes_and_no(project: Path) -> None:
    kamerton(project, "data", "export", "desk", "--format", "openai", "--out", "good.jsonl")
    good = kamerton(project, "data", "validate", "good.jsonl")
    assert good.code == 0
    assert "OK  nothing for which the file would be refused" in good.out
    bad = kamerton(project, "data", "validate", "letters.jsonl", "--for", "openai-chat", "--json")
    assert (bad.code, bad.document["passed"], bad.document["examples"]) == (1, False, 71)
    assert {finding["kind"] for finding in bad.document["findings"]} == {"missing_key"}
    assert "all 71: missing_key 71" in bad.err
    long = kamerton(project, "data", "validate", "good.jsonl", "--model-context", "20", "--json")
    assert (long.code, {finding["kind"] for finding in long.document["findings"]}) == (0, {"too_long"})
    assert kamerton(project, "data", "validate", "none.jsonl").code == 2
    assert kamerton(project, "data", "validate", "good.jsonl", "--model-context", "0").code == 2


def test_commit_takes_a_shape_at_its_word(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "Akapit.", "instruction": "Pytanie?", "output": "Tak."}])
    done = kamerton(tmp_path, "data", "commit", "texts", "a.jsonl", "--shape", "text", "--json").document
    shown = kamerton(tmp_path, "data", "show", "texts", "--json").document
    assert (done["rows"], shown["first_rows"][0]["text"]) == (1, "Akapit.")


def test_merge_says_what_git_calls_it_with(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["data", "merge", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    assert "%A: pointer of this side; takes the merged pointer" in help_text


def test_a_merge_document_names_versions_and_conflicts(project: Path) -> None:
    pointer = project / "datasets" / "desk.json"
    ours = pointer.read_bytes()
    kamerton(project, "data", "restore", "desk@first")
    base = pointer.read_bytes()
    rows = letters()
    write_lines(project / "letters.jsonl", [rows[0] | {"output": "Wydział: Odpady"}, *rows[1:]])
    kamerton(project, "data", "commit", "desk", "letters.jsonl")
    for name, content in (("O", base), ("A", ours), ("B", pointer.read_bytes())):
        (project / name).write_bytes(content)
    done = kamerton(project, "data", "merge", "O", "A", "B", "datasets/desk.json", "--json")
    assert done.code == 1
    assert (done.document["merged"], len(done.document["conflicts"])) == (None, 1)
    conflict = done.document["conflicts"][0]
    assert {conflict[side]["messages"][1]["content"] for side in ("base", "ours", "theirs")} == {
        rows[0]["output"],
        "Wydział: Zieleń i lasy",
        "Wydział: Odpady",
    }
    assert (project / "A").read_bytes() == ours


def test_init_gives_pointers_to_the_merge_driver_and_says_how_git_learns_of_it(tmp_path: Path) -> None:
    done = kamerton(tmp_path, "init", "new")
    assert (tmp_path / "new" / ".gitattributes").read_text() == "datasets/*.json merge=kamerton-pointer\n"
    assert 'git config merge.kamerton-pointer.driver "kamerton data merge %O %A %B %P"' in done.out
