"""`kamerton data protect`: what is found is told without telling it, and a result is a new file or version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiny_project import kamerton, write_lines

PESEL, MAIL, KEY = "44051401359", "anna.nowak@poczta.pl", "AKIAQYLPMN5HHHFPZ6DZ"
SECRETS = (PESEL, MAIL, KEY)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"Mój PESEL to {PESEL}, proszę o odpowiedź.", "completion": f"Odpisano na {MAIL}."},
        {"prompt": "Czy urząd jest dziś otwarty?", "completion": "Tak, do 16."},
        {"prompt": f"Piszę jeszcze raz: {MAIL} i {MAIL}.", "completion": "Dziękuję."},
        {"prompt": "Co to za klucz?", "completion": f"aws_key = {KEY}"},
    ]
    write_lines(tmp_path / "a.jsonl", [*rows, "nie wiersz"])
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".kamerton", "datasets"}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("width", ["60", "120"])
def test_it_reports_and_writes_nothing(project: Path, width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    done = kamerton(project, "data", "protect", "a.jsonl")
    assert (done.code, files(project)) == (0, {"a.jsonl"})
    assert not (project / ".kamerton").exists()
    table = {line.split()[0]: line.split()[1:] for line in done.out.splitlines() if "a.jsonl:" in line[10:]}
    assert table == {
        "email": ["3", "2", "a.jsonl:1,", "3"],
        "pesel": ["1", "1", "a.jsonl:1"],
        "api_key": ["1", "1", "a.jsonl:4"],
    }
    assert "4 rows: 3 with personal data or secrets" in done.out
    assert "1 rows could not be read" in done.out
    assert "nothing was written; --action mask" in done.out


def test_no_find_stands_in_the_clear(project: Path) -> None:
    for action in (["report"], ["mask", "--out", "m.jsonl"], ["pseudonymise", "--out", "p.jsonl"]):
        done = kamerton(project, "data", "protect", "a.jsonl", "--json", "--action", *action)
        assert done.code == 0
        assert [secret for secret in SECRETS if secret in done.out + done.err] == []
    for name in ("m.jsonl", "p.jsonl"):
        text = (project / name).read_text(encoding="utf-8")
        assert [secret for secret in SECRETS if secret in text] == []


def test_a_mask_goes_to_a_new_file(project: Path) -> None:
    before = (project / "a.jsonl").read_bytes()
    done = kamerton(project, "data", "protect", "a.jsonl", "--action", "mask", "--out", "b.jsonl", "--json").document
    assert (done["rows_read"], done["rows"], done["file"], done["version"]) == (5, 4, "b.jsonl", None)
    assert (done["report"]["rows_changed"], done["report"]["key_id"]) == (3, "")
    assert (done["findings"][0]["line"], done["findings"][0]["kind"]) == (5, "not_an_object")
    assert (project / "a.jsonl").read_bytes() == before
    assert "[PESEL]" in json.dumps(lines(project / "b.jsonl"))
    again = kamerton(project, "data", "protect", "b.jsonl", "--json").document
    assert again["report"]["found"] == {}


def test_pseudonyms_say_by_which_key_and_are_the_same_again(project: Path) -> None:
    words = ("data", "protect", "a.jsonl", "--action", "pseudonymise")
    first = kamerton(project, *words, "--out", "b.jsonl")
    second = kamerton(project, *words, "--to", "letters", "--json").document
    assert len(second["report"]["key_id"]) == 16
    assert f"pseudonyms by the key {second['report']['key_id']}" in first.out
    assert (second["version"]["rows"], second["version"]["name"], second["file"]) == (4, "letters", None)
    assert Path(second["pointer"]).exists()
    exported = kamerton(project, "data", "export", "letters@v1", "--out", "c.jsonl")
    assert exported.code == 0
    assert sorted(map(str, lines(project / "b.jsonl"))) == sorted(map(str, lines(project / "c.jsonl")))
    key = (project / ".kamerton" / "keys" / "privacy.key").read_text(encoding="ascii").strip()
    assert key not in first.out + first.err + json.dumps(second)


def test_drop_leaves_the_rows_out(project: Path) -> None:
    done = kamerton(project, "data", "protect", "a.jsonl", "--action", "drop", "--out", "b.jsonl")
    assert "3 with personal data or secrets, 0 changed, 3 set aside, 1 left" in done.out
    assert len(lines(project / "b.jsonl")) == 1


def test_only_the_kinds_that_are_asked_for_are_touched(project: Path) -> None:
    words = (
        "data",
        "protect",
        "a.jsonl",
        "--kinds",
        "pesel, api_key",
        "--action",
        "mask",
        "--out",
        "b.jsonl",
        "--json",
    )
    done = kamerton(project, *words).document
    assert done["report"]["kinds"] == ["api_key", "pesel"]
    assert done["report"]["found"] == {"api_key": 1, "pesel": 1}
    text = (project / "b.jsonl").read_text(encoding="utf-8")
    assert MAIL in text
    assert PESEL not in text


@pytest.mark.slow
def test_workers_find_the_same(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": f"PESEL {PESEL} numer {n}"} for n in range(1100)])
    words = ("data", "protect", "a.jsonl", "--json")
    assert kamerton(tmp_path, *words, "--workers", "2").document == kamerton(tmp_path, *words).document


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--action", "mask"], "needs a place for the result"),
        (["--out", "b.jsonl"], "to report changes no row"),
        (["--action", "mask", "--out", "a.jsonl"], "there already"),
        (["--action", "mask", "--out", "link.jsonl"], "there already"),
        (["--action", "mask", "--out", "b.parquet"], "ends in .jsonl"),
        (["--action", "mask", "--out", "b.jsonl", "--to", "x"], "not allowed with"),
        (["--action", "mask", "--to", "a/b"], "not a data-set reference"),
        (["--action", "mask", "--to", "a@v1"], "the name alone: a"),
        (["--action", "off"], "invalid choice"),
        (["--kinds", "pesel,iq"], "no such kind: 'iq'"),
        (["--kinds", "name"], "--names-model"),
        (["--workers", "0"], "whole number from 1"),
    ],
)
def test_wrong_requests_are_refused_and_write_nothing(project: Path, words: list[str], what: str) -> None:
    (project / "link.jsonl").symlink_to("nowhere.jsonl")
    refused = kamerton(project, "data", "protect", "a.jsonl", *words)
    assert refused.code == 2
    assert what in refused.err
    assert files(project) == {"a.jsonl", "link.jsonl"}
    assert not (project / ".kamerton").exists(), "no key was made"


def test_a_result_of_nothing_is_refused(project: Path) -> None:
    write_lines(project / "one.jsonl", [{"text": f"PESEL {PESEL}"}])
    refused = kamerton(project, "data", "protect", "one.jsonl", "--action", "drop", "--out", "b.jsonl")
    assert (refused.code, "no row is left to write" in refused.err) == (2, True)
    assert files(project) == {"a.jsonl", "one.jsonl"}


def test_a_model_of_names_that_is_not_there_is_named(project: Path) -> None:
    refused = kamerton(project, "data", "protect", "a.jsonl", "--names-model", "no-such-model")
    assert refused.code in {2, 3}
    assert "inside Kamerton" not in refused.err
    assert "names" in refused.err
