"""Entries of `dataset_info.json`: what LLaMA-Factory means by them, and its own demo sets by an independent reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import Layout, recognise, to_row, unused_columns
from kamerton.data.shapes.dataset_info import Entry, read_entry
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

DEMO = Path(__file__).parents[4] / "shared" / "data" / "llamafactory-demo"
with_demo = pytest.mark.skipif(not DEMO.is_dir(), reason="the shared copy of LLaMA-Factory's demo sets is not here")


def entry_of(folder: Path, entry: Any, name: str = "zbior") -> Entry:
    (folder / "rows.json").write_text("[]", encoding="utf-8")
    if isinstance(entry, dict) and "hf_hub_url" not in entry:
        entry = {"file_name": "rows.json"} | entry
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"inny": {}, "zbior": entry}), encoding="utf-8")
    return read_entry(path, name)


def layout_of(folder: Path, entry: dict[str, Any]) -> Layout:
    return entry_of(folder, entry).layout


def test_the_defaults_are_alpaca_without_system_and_history(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, {})
    record = {"instruction": "Streść.", "input": "List", "output": "Krótko.", "system": "S", "history": [["a", "b"]]}
    row = to_row(record, layout, "f", 1)
    assert isinstance(row, Row)
    assert row.messages == (
        {"role": "user", "content": "Streść.\nList"},
        {"role": "assistant", "content": "Krótko."},
    )
    assert unused_columns(record, layout) == {"system", "history"}


def test_columns_that_are_left_out_are_absent(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, {"columns": {"prompt": "q", "response": "output", "history": "old", "system": "sys"}})
    record = {"q": "c", "input": "x", "output": "d", "old": [["a", "b"]], "sys": "s"}
    row = to_row(record, layout, "f", 1)
    assert isinstance(row, Row)
    assert [(turn["role"], turn["content"]) for turn in row.messages or ()] == [
        ("system", "s"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
        ("assistant", "d"),
    ]
    assert unused_columns(record, layout) == {"input"}


def test_tags_that_are_left_out_are_absent_and_known_names_are_mended(tmp_path: Path) -> None:
    tags = {"role_tag": "who", "content_tag": "says", "user_tag": "U", "assistant_tag": "A"}
    layout = layout_of(tmp_path, {"formatting": "sharegpt", "tags": tags})
    turns = [{"who": "U", "says": "a"}, {"who": "A", "says": "b"}]
    doubts: list[Finding] = []
    assert isinstance(to_row({"conversations": turns}, layout, "f", 1, doubts), Row)
    assert not doubts
    early = [{"who": "system", "says": "s"}, *turns]
    row = to_row({"conversations": early}, layout, "f", 1, doubts)
    assert isinstance(row, Row)
    assert [finding.kind for finding in doubts] == ["mended_role"]
    refused = to_row({"conversations": [{"who": "human?", "says": "s"}, *turns]}, layout, "f", 1)
    assert isinstance(refused, Finding)
    assert "expected one of U, A" in refused.message


def test_a_leading_system_turn_is_preferred_to_the_column(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "sys"}})
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    doubts: list[Finding] = []
    own = to_row({"sys": "S", "conversations": [{"from": "system", "value": "T"}, *turns]}, layout, "f", 1, doubts)
    other = to_row({"sys": "S", "conversations": turns}, layout, "f", 1)
    assert isinstance(own, Row)
    assert isinstance(other, Row)
    assert (own.messages or ())[0]["content"] == "T"
    assert (other.messages or ())[0]["content"] == "S"
    assert [finding.kind for finding in doubts] == ["system_not_used"]


@pytest.mark.parametrize(
    ("entry", "record", "text"),
    [
        ({"columns": {"prompt": "text"}}, {"text": "Dawno temu"}, "Dawno temu"),
        ({"columns": {"prompt": "a", "query": "b"}}, {"a": "raz", "b": "dwa"}, "raz\ndwa"),
        ({"columns": {"prompt": "a", "query": "b"}}, {"a": "", "b": "dwa"}, "dwa"),
        ({"columns": {"query": "b"}}, {"b": "dwa"}, "dwa"),
    ],
)
def test_without_a_response_the_rows_are_texts(
    tmp_path: Path, entry: dict[str, Any], record: dict[str, Any], text: str
) -> None:
    row = to_row(record, layout_of(tmp_path, entry), "f", 1)
    assert isinstance(row, Row)
    assert row.text == text


def test_a_ranking_is_a_pair_in_both_formattings(tmp_path: Path) -> None:
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    layout = layout_of(tmp_path, {"ranking": True, "columns": columns})
    row = to_row({"q": "a", "good": "b", "bad": "c"}, layout, "f", 1)
    assert isinstance(row, Row)
    assert [turn["content"] for turn in row.ranked] == ["b", "c"]
    columns = {"messages": "talk", "chosen": "good", "rejected": "bad"}
    layout = layout_of(tmp_path, {"ranking": True, "formatting": "sharegpt", "columns": columns})
    turns = [{"from": "human", "value": "a"}]
    record = {"talk": turns, "good": {"from": "gpt", "value": "b"}, "bad": {"from": "gpt", "value": "c"}}
    assert to_row(record, layout, "f", 1) == row


def test_kto_takes_booleans_alone(tmp_path: Path) -> None:
    columns = {"prompt": "q", "response": "a", "kto_tag": "ok"}
    layout = layout_of(tmp_path, {"columns": columns})
    row = to_row({"q": "a", "a": "b", "ok": False}, layout, "f", 1)
    assert isinstance(row, Row)
    assert row.liked is False
    for value in (1, 0, "tak", None, 0.5):
        refused = to_row({"q": "a", "a": "b", "ok": value}, layout, "f", 1)
        assert isinstance(refused, Finding), value
        assert "expected true or false" in refused.message


def test_where_the_rows_are(tmp_path: Path) -> None:
    hub = {"hf_hub_url": "owner/set", "ms_hub_url": "other/set", "file_name": "no.json", "folder": "pl"}
    entry = entry_of(tmp_path, hub | {"subset": "en", "split": "test", "num_samples": 3})
    assert entry.locations == ["hf://datasets/owner/set/pl"]
    assert (entry.subset, entry.split, entry.sample) == ("en", "test", 3)
    assert entry_of(tmp_path, {"cloud_file_name": "s3://b/a.json"}).locations == ["s3://b/a.json"]
    plain = entry_of(tmp_path, {})
    assert plain.locations == [str(tmp_path / "rows.json")]
    assert (plain.split, plain.subset, plain.sample) == ("train", "", None)
    (tmp_path / "more").mkdir()
    for name in ("b.jsonl", "a.json"):
        (tmp_path / "more" / name).write_text("", encoding="utf-8")
    folder = entry_of(tmp_path, {"file_name": "more"})
    assert folder.locations == [str(tmp_path / "more" / name) for name in ("a.json", "b.jsonl")]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ([], "not an object"),
        ({"file_nam": "x"}, "unknown key 'file_nam'; 'file_name' looks like 'file_nam' misspelt"),
        ({"columns": {"promt": "x"}}, "unknown key 'promt'"),
        ({"tags": {"role": "x"}}, "unknown key 'role'"),
        ({"columns": {"prompt": 5}}, "prompt is 5"),
        ({"columns": "prompt"}, "columns is 'prompt'"),
        ({"ranking": "yes"}, "ranking is 'yes'"),
        ({"num_samples": True}, "num_samples is True"),
        ({"num_samples": 0}, "num_samples is 0"),
        ({"formatting": "sharegtp"}, "formatting is 'sharegtp'"),
        ({"formatting": "sharegpt", "columns": {"system": "s"}}, "columns has no messages"),
        ({"formatting": "sharegpt", "tags": {"role_tag": "role"}}, "tags has no content_tag"),
        ({"columns": {"response": "s"}}, "columns has no prompt"),
        ({"columns": {"prompt": "q", "kto_tag": "ok"}}, "columns has no response"),
        ({"columns": {"prompt": "q", "history": "h"}}, "history without a response"),
        ({"ranking": True}, "columns has no chosen"),
        ({"ranking": True, "columns": {"prompt": "q", "chosen": "c"}}, "columns has no rejected"),
        ({"ranking": True, "columns": {"chosen": "c", "rejected": "r", "kto_tag": "k"}}, "both ranking and kto_tag"),
        ({"columns": {"prompt": "q", "images": "pics"}}, "column pics holds images"),
        ({"columns": {"prompt": "q", "audios": "a"}}, "column a holds audios"),
        ({"script_url": "load.py"}, "script_url: a loading script"),
        ({"ms_hub_url": "a/b"}, "ms_hub_url: ModelScope"),
        ({"file_name": "no.json"}, "no file or folder no.json"),
        ({"file_name": ""}, "nothing says where"),
    ],
)
def test_what_cannot_be_honoured_is_refused(tmp_path: Path, entry: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        entry_of(tmp_path, entry)
    assert words in str(caught.value)
    assert "dataset_info.json:zbior" in caught.value.where


def test_a_folder_has_one_type_of_files(tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    with pytest.raises(DataError, match="has no files"):
        entry_of(tmp_path, {"file_name": "mixed"})
    for name in ("a.json", "b.csv"):
        (tmp_path / "mixed" / name).write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"has \.csv, \.json"):
        entry_of(tmp_path, {"file_name": "mixed"})


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "not a JSON object"), ("[" * 9999, "not JSON")])
def test_a_broken_file_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dataset_info.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_entry(path, "a")


def test_no_file_and_no_such_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not readable"):
        read_entry(tmp_path / "dataset_info.json", "a")
    with pytest.raises(DataError, match="no data set 'zbor'; 'zbior' looks like 'zbor' misspelt"):
        entry_of(tmp_path, {}, "zbor")


# The demo sets, against what LLaMA-Factory's converters make of them.


def records_of(name: str) -> list[dict[str, Any]]:
    text = (DEMO / name).read_text(encoding="utf-8")
    if name.endswith(".txt"):
        return [{"text": line} for line in text.split("\n") if line]
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return json.loads(text)  # type: ignore[no-any-return]


def rows_of(records: list[dict[str, Any]], layout: Layout) -> list[Row]:
    doubts: list[Finding] = []
    rows = [to_row(record, layout, "f", line, doubts) for line, record in enumerate(records, 1)]
    assert not doubts
    assert all(isinstance(row, Row) for row in rows)
    return rows  # type: ignore[return-value]


def plain(row: Row) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in row.messages or ()]


def demo_rows(name: str) -> tuple[list[dict[str, Any]], list[Row]]:
    """Records and rows; told from the record alone, the rows are the same."""
    entry = read_entry(DEMO / "dataset_info.json", name)
    records = records_of(Path(entry.locations[0]).name)
    rows = rows_of(records, entry.layout)
    assert rows == rows_of(records, recognise(records[0])[0])
    return records, rows


@with_demo
@pytest.mark.parametrize(("name", "count"), [("alpaca_en_demo", 999), ("identity", 91)])
def test_the_alpaca_demos(name: str, count: int) -> None:
    records, rows = demo_rows(name)
    assert len(rows) == count
    for record, row in zip(records, rows, strict=True):
        query = "\n".join(text for text in (record["instruction"], record["input"]) if text)
        assert plain(row) == [("user", query), ("assistant", record["output"])]


@with_demo
def test_the_tool_call_demo() -> None:
    records, rows = demo_rows("glaive_toolcall_en_demo")
    assert len(rows) == 300
    roles = {"human": "user", "gpt": "assistant", "observation": "tool", "function_call": "assistant"}
    called = 0
    for record, row in zip(records, rows, strict=True):
        assert json.loads(row.tools or "[]") == json.loads(record["tools"])
        for turn, message in zip(record["conversations"], row.messages or (), strict=True):
            assert message["role"] == roles[turn["from"]]
            if turn["from"] == "function_call":
                (call,) = message["tool_calls"]
                assert {"name": call["name"], "arguments": json.loads(call["arguments"])} == json.loads(turn["value"])
                called += 1
            else:
                assert message["content"] == turn["value"]
                assert "tool_calls" not in message
    assert called == 211


@with_demo
def test_the_preference_demo() -> None:
    records, rows = demo_rows("dpo_en_demo")
    assert len(rows) == 300
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    for record, row in zip(records, rows, strict=True):
        assert plain(row) == [(roles[turn["from"]], turn["value"]) for turn in record["conversations"]]
        assert [turn["content"] for turn in row.ranked] == [record["chosen"]["value"], record["rejected"]["value"]]


@with_demo
def test_the_kto_demo() -> None:
    records, rows = demo_rows("kto_en_demo")
    assert len(rows) == 300
    for record, row in zip(records, rows, strict=True):
        assert plain(row) == [(turn["role"], turn["content"]) for turn in record["messages"]]
        assert row.liked is record["label"]
    assert {row.liked for row in rows} == {True, False}


@with_demo
@pytest.mark.parametrize(("name", "count"), [("c4_demo", 300), ("wiki_demo", 30)])
def test_the_text_demos(name: str, count: int) -> None:
    records, rows = demo_rows(name)
    assert [row.text for row in rows] == [record["text"] for record in records]
    assert len(rows) == count


@with_demo
def test_the_demos_of_the_second_schema() -> None:
    """Content parts with `value`, a `loss_weight` a turn, and pairs as whole conversations."""
    records = records_of("v1_sft_demo.jsonl")
    rows = rows_of(records, recognise(records[0])[0])
    assert len(rows) == 500
    for record, row in zip(records, rows, strict=True):
        assert plain(row) == [(turn["role"], turn["content"][0]["value"]) for turn in record["messages"]]
    records = records_of("v1_dpo_demo.jsonl")
    rows = rows_of(records, recognise(records[0])[0])
    assert len(rows) == 10
    for record, row in zip(records, rows, strict=True):
        better, worse = record["chosen_messages"], record["rejected_messages"]
        assert plain(row) == [(turn["role"], turn["content"][0]["value"]) for turn in better[:-1]]
        assert [turn["content"] for turn in row.ranked] == [
            turns[-1]["content"][0]["value"] for turns in (better, worse)
        ]


@with_demo
def test_the_demo_of_reasoning_and_tools() -> None:
    records = records_of("reason_tool_use_demo_50.jsonl")
    rows = rows_of(records, recognise(records[0])[0])
    assert len(rows) == 50
    called = 0
    for record, row in zip(records, rows, strict=True):
        assert json.loads(row.tools or "[]") == json.loads(record["tools"])
        for turn, message in zip(record["messages"], row.messages or (), strict=True):
            parts = {part["type"]: part["value"] for part in turn["content"]}
            assert message["role"] == turn["role"]
            assert parts.get("text", "") in message["content"]
            assert parts.get("reasoning", "").strip("\n") in message["content"]
            calls = [json.loads(part["value"]) for part in turn["content"] if part["type"] == "tool_call"]
            told = message.get("tool_calls", [])
            assert [(call["name"], json.loads(call["arguments"])) for call in told] == [
                (call["name"], call["arguments"]) for call in calls
            ]
            called += len(calls)
    assert called == 41 + 9 * 2 + 3 * 3


@with_demo
def test_every_entry_is_read_or_refused_with_its_reason() -> None:
    refused: dict[str, str] = {}
    names = list(json.loads((DEMO / "dataset_info.json").read_text(encoding="utf-8")))
    for name in names:
        try:
            read_entry(DEMO / "dataset_info.json", name)
        except DataError as error:
            refused[name] = error.what
    assert len(names) == 104
    assert len(refused) == 19
    media = {name for name, what in refused.items() if "trains on text alone" in what}
    assert {"mllm_demo", "mllm_audio_demo", "mllm_video_demo", "rlaif_v"} <= media
    assert len(media) == 13
    assert {name for name, what in refused.items() if "no file or folder" in what} == {
        *("alpaca_zh_demo", "glaive_toolcall_zh_demo", "dpo_zh_demo")
    }
    assert {name for name, what in refused.items() if "no chosen" in what} == {"nectar_rm", "orca_dpo_de"}
    assert "ModelScope" in refused["deepctrl"]
