"""Exports: what was written reads back to the same rows, and what is lost or left out is named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kamerton.data import read_sources
from kamerton.data.export import FormatName, export_rows, validate_file, write_jsonl
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError, RequestError, StorageError

PROMPT = {"role": "user", "content": "Ile wynosi opłata za „żółtą” kartę?\nI kiedy?"}
ANSWER = {"role": "assistant", "content": "17 zł 😀\u2028do 3 dni."}
SYSTEM = {"role": "system", "content": "Mów krótko."}
TOOLS = '[{"type":"function","function":{"name":"licz","parameters":{"type":"object"}}}]'
CALL = {"name": "licz", "arguments": '{"a":1,"b":["x"]}'}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def talk(*messages: object, **more: object) -> Row:
    return Row(messages=messages, **more)  # type: ignore[arg-type]


def plain(count: int = 12) -> list[Row]:
    return [
        talk({"role": "user", "content": f"Pytanie {n}?"}, answer(f"Tak, {n}."), file="a", line=n) for n in range(count)
    ]


WITH_TOOLS = talk(
    PROMPT,
    {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "c1"}]},
    {"role": "tool", "content": "2", "tool_call_id": "c1"},
    ANSWER,
    tools=TOOLS,
)
LONG = talk(SYSTEM, PROMPT, ANSWER, {"role": "user", "content": "A drugi?"}, answer("Też."))
RATED = [talk(PROMPT, ANSWER, liked=True), talk(SYSTEM, PROMPT, answer("Nie."), liked=False)]
PAIR = talk(SYSTEM, PROMPT, ranked=(ANSWER, answer("Nie wiem.")))
RANKING = talk(PROMPT, ranked=(ANSWER, answer("Może."), answer("Nie wiem.")))
TEXTS = [Row(text="Pierwszy akapit.\n\nDrugi."), Row(text="Źdźbło\ttrawy")]
LABELLED = talk(PROMPT, ANSWER, category="k", group="g", task="t", time="2026-01-02", augmented_from="a" * 64)


def export(rows: Sequence[Row], name: FormatName, out: Path):  # type: ignore[no-untyped-def]
    return export_rows(iter(rows), {row.kind for row in rows}, name, out, title="desk")


def read(path: Path | str) -> list[Row]:
    found = read_sources([str(path)])
    assert [finding for finding in found.findings if finding.severity == "error"] == []
    return found.rows


def hashes(rows: Sequence[Row]) -> list[str]:
    return sorted(row.row_hash for row in rows)


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "rows",
    [[*plain(3), LABELLED], [WITH_TOOLS, LONG], RATED, [PAIR], [RANKING], TEXTS],
    ids=["plain", "tools", "rated", "pair", "ranking", "text"],
)
def test_what_is_written_reads_back_to_the_same_rows(name: FormatName, rows: list[Row], tmp_path: Path) -> None:
    out = tmp_path / "new" / f"desk.{name}"
    done = export(rows, name, out)
    assert ([(file.file, file.records) for file in done.files], done.rows) == ([(str(out), len(rows))], len(rows))
    assert (done.refused, dict(done.lost)) == ([], {})
    assert hashes(read(out)) == hashes(rows)


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_kinds_that_do_not_mix_have_a_file_each(name: FormatName, tmp_path: Path) -> None:
    rows = [*plain(2), *RATED, PAIR, *TEXTS]
    done = export(rows, name, tmp_path / f"desk.{name}")
    names = [f"desk{part}.{name}" for part in ("", ".ranked", ".rated", ".text")]
    assert [Path(file.file).name for file in done.files] == names
    assert hashes([row for file in done.files for row in read(file.file)]) == hashes(rows)


def test_rows_of_all_kinds_as_json_lines(tmp_path: Path) -> None:
    write_jsonl([*plain(1), *TEXTS], tmp_path / "all.jsonl")
    lines = (tmp_path / "all.jsonl").read_bytes().splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["messages"], ["text"], ["text"]]


def test_parquet_is_columns_that_others_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    export([WITH_TOOLS, *plain(9000)], "parquet", tmp_path / "d.parquet")
    file = pq.ParquetFile(tmp_path / "d.parquet")
    assert file.num_row_groups == 2, "written group by group"
    first = file.read_row_group(0).slice(0, 1).to_pylist()[0]
    assert first["messages"][1]["tool_calls"][0]["function"] == CALL
    assert first["tools"] == TOOLS
    assert first["category"] is None


def test_openai_chat_passes_its_own_validator(tmp_path: Path) -> None:
    out = tmp_path / "d.jsonl"
    done = export([WITH_TOOLS, LONG, *plain()], "openai", out)
    assert done.refused == []
    checked = validate_file(out)
    assert (checked.target, checked.findings, checked.examples) == ("openai-chat", [], 14)
    assert hashes(read(out)) == hashes([WITH_TOOLS, LONG, *plain()])


def test_openai_weights_and_made_ids(tmp_path: Path) -> None:
    shown = talk(PROMPT, {**ANSWER, "trained": False}, {"role": "user", "content": "I?"}, answer("To."))
    calls = {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]}
    replies = [{"role": "tool", "content": "2"}, {"role": "tool", "content": "3"}]
    bare = json.dumps([{"name": "licz", "parameters": {"type": "object"}}])
    done = export([shown, talk(PROMPT, calls, *replies, ANSWER, tools=bare)], "openai", tmp_path / "d.jsonl")
    one, other = (json.loads(line) for line in (tmp_path / "d.jsonl").read_bytes().splitlines()[:2])
    assert [message.get("weight") for message in one["messages"]] == [None, 0, None, None]
    assert [call["id"] for call in other["messages"][1]["tool_calls"]] == ["call_1", "call_2"]
    assert [message["tool_call_id"] for message in other["messages"][2:4]] == ["call_1", "call_2"]
    assert other["tools"][0]["type"] == "function"
    assert dict(done.lost) == {"ids of tool calls were made up": 1}


def test_openai_preference(tmp_path: Path) -> None:
    done = export([PAIR, RANKING, LABELLED], "openai", tmp_path / "d.jsonl")
    assert [(Path(file.file).name, file.records) for file in done.files] == [("d.jsonl", 1), ("d.preference.jsonl", 3)]
    assert done.lost["the order of all answers but the best"] == 1
    assert {"category", "group", "task", "time", "augmented_from"} <= done.lost.keys()
    lines = [json.loads(line) for line in (tmp_path / "d.preference.jsonl").read_bytes().splitlines()]
    assert lines[0] == {
        "input": {"messages": [SYSTEM, PROMPT]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [answer("Nie wiem.")],
    }
    assert [line["non_preferred_output"][0]["content"] for line in lines[1:]] == ["Może.", "Nie wiem."]
    kinds = {finding.kind for finding in validate_file(tmp_path / "d.preference.jsonl").findings}
    assert kinds == {"too_few_examples"}


def test_openai_refuses_what_the_service_would_refuse_by_row(tmp_path: Path) -> None:
    silent = talk(PROMPT, {**ANSWER, "trained": False}, file="b.jsonl", line=7)
    nameless = talk({**PROMPT, "name": "Jan Kowalski"}, ANSWER, file="b.jsonl", line=8)
    empty = talk(PROMPT, answer(" "), file="b.jsonl", line=9)
    done = export([*plain(2), silent, nameless, empty, *RATED[:1], *TEXTS[:1]], "openai", tmp_path / "d.jsonl")
    assert [(finding.line, finding.kind) for finding in done.refused] == [
        (7, "nothing_to_learn"),
        (8, "bad_name"),
        (9, "missing_content"),
        (0, "no_place"),
        (0, "no_place"),
    ]
    assert (done.rows, done.files[0].records) == (7, 2)


def test_llamafactory_files_and_entries_read_back(tmp_path: Path) -> None:
    rows = [*plain(2), WITH_TOOLS, LONG, *RATED, PAIR, *TEXTS]
    done = export(rows, "llamafactory", tmp_path / "lf")
    info = json.loads((tmp_path / "lf" / "dataset_info.json").read_text("utf-8"))
    assert sorted(info) == ["desk", "desk_kto", "desk_ranking", "desk_text"]
    assert info["desk_ranking"]["ranking"] is True
    assert info["desk_text"]["columns"] == {"prompt": "text"}
    back = [row for name in info for row in read(f"{tmp_path / 'lf' / 'dataset_info.json'}:{name}")]
    assert done.refused == []
    assert dict(done.lost) == {"tool_call_id": 1, "id of a tool call": 1}
    calls = [{"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "2"}]
    without_ids = talk(PROMPT, *calls, ANSWER, tools=TOOLS)
    assert hashes(back) == hashes([*plain(2), without_ids, LONG, *RATED, PAIR, *TEXTS])


def test_llamafactory_leaves_other_entries_as_they_are(tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    others = {"zeta": {"file_name": "z.json"}, "alfa": {"hf_hub_url": "a/ż", "columns": {"prompt": "q"}}}
    info.write_text(json.dumps(others), encoding="utf-8")
    for _ in range(2):
        export(plain(), "llamafactory", tmp_path)
        found = json.loads(info.read_text("utf-8"))
        assert list(found) == ["zeta", "alfa", "desk"]
        assert {name: found[name] for name in others} == others
    found["desk"] = {"file_name": "mine.json"}
    info.write_text(json.dumps(found), encoding="utf-8")
    (tmp_path / "desk.jsonl").write_text("kept\n")
    with pytest.raises(DataError, match="names other rows: mine"):
        export(plain(), "llamafactory", tmp_path)
    assert (tmp_path / "desk.jsonl").read_text() == "kept\n"


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', "\ufeff"])
def test_a_damaged_dataset_info_is_not_overwritten(content: str, tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="not"):
        export(plain(), "llamafactory", tmp_path)
    assert info.read_text(encoding="utf-8") == content
    assert not (tmp_path / "desk.jsonl").exists()


def test_llamafactory_names_what_sharegpt_cannot_carry(tmp_path: Path) -> None:
    two = {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]}
    tool = {"role": "tool", "content": "2"}
    spoken = {"role": "assistant", "content": "Liczę.", "tool_calls": [CALL]}
    rows = [
        *plain(1),
        talk(PROMPT, two, tool, tool, ANSWER, file="b", line=1),
        talk(PROMPT, spoken, tool, ANSWER, file="b", line=2),
        talk(PROMPT, {**ANSWER, "trained": False}, PROMPT, ANSWER, file="b", line=3),
        talk(PROMPT, two, tool, ANSWER, file="b", line=4),
    ]
    done = export(rows, "llamafactory", tmp_path)
    assert [(finding.line, finding.kind) for finding in done.refused] == [
        (1, "turns_do_not_alternate"),
        (2, "text_beside_call"),
        (3, "untrained_answer"),
    ]
    last = json.loads((tmp_path / "desk.jsonl").read_bytes().splitlines()[-1])
    assert len(json.loads(last["conversations"][1]["value"])) == 2


def test_nothing_to_write_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row can be written: the format has no place for a text row"):
        export(TEXTS, "openai", tmp_path / "d.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "out", "told"),
    [
        ("jsonl", "d.parquet", r"does not end with .jsonl\n  expected: a file \*.jsonl\n  mend: --out \S*/d.jsonl$"),
        ("parquet", "d", r"\*.parquet\n  mend: --out \S*/d.parquet$"),
        ("openai", ".", r"this is a folder\n.*\n  mend: --out \S*/rows.jsonl$"),
        ("llamafactory", "file", "this is a file"),
    ],
)
def test_an_out_of_the_wrong_sort(name: FormatName, out: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=told):
        export(plain(), name, tmp_path / out)


@pytest.mark.parametrize("name", ["jsonl", "openai", "parquet"])
def test_a_failure_in_the_middle_leaves_the_old_file(name: FormatName, tmp_path: Path) -> None:
    out = tmp_path / f"d.{'parquet' if name == 'parquet' else 'jsonl'}"
    out.write_bytes(b"old")

    def rows():  # type: ignore[no-untyped-def]
        yield from plain(9000)
        raise StorageError("the disk has gone")

    with pytest.raises(StorageError, match="the disk has gone"):
        export_rows(rows(), {"conversation"}, name, out, title="desk")
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"old"


def test_half_a_surrogate_pair_is_escaped(tmp_path: Path) -> None:
    write_jsonl([Row(text="\ud800")], tmp_path / "d.jsonl")
    assert json.loads((tmp_path / "d.jsonl").read_text("utf-8")) == {"text": "\ud800"}
