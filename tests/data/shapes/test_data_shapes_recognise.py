"""The shape of a record: told from its columns, with the reason, or mapped in the recipe."""

from __future__ import annotations

from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import SHAPES, layout_for, recognise, to_row, unused_columns
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

TURNS = [{"role": "user", "content": "Kto?"}, {"role": "assistant", "content": "Urząd."}]
OLD = [{"from": "human", "value": "Kto?"}, {"from": "gpt", "value": "Urząd."}]


@pytest.mark.parametrize(
    ("record", "shape", "reason"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca", "columns instruction and output"),
        ({"instruction": "a", "context": "c", "response": "b"}, "alpaca", "columns instruction and response"),
        ({"instruction": "a", "output": None}, "alpaca", "columns instruction and output"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion", "columns prompt and completion"),
        ({"prompt": "a", "response": "b"}, "prompt_completion", "columns prompt and response"),
        ({"question": "a", "answer": "b"}, "prompt_completion", "columns question and answer"),
        ({"conversations": []}, "sharegpt", "column conversations"),
        ({"conversations": OLD}, "sharegpt", "column conversations"),
        ({"messages": [], "text": "x"}, "messages", "column messages"),
        ({"messages": None, "question": "a", "answer": "b"}, "prompt_completion", "columns question and answer"),
        ({"text": "a", "title": "b"}, "text", "column text"),
        ({"text": "a", "label": True}, "text", "column text"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", "columns chosen and rejected"),
        ({"messages": TURNS, "chosen": "b", "rejected": "c"}, "preference", "columns chosen and rejected"),
        ({"messages": TURNS, "label": False}, "rated", "columns messages and label"),
        ({"prompt": "a", "completion": "b", "label": 1}, "rated", "columns prompt, completion and label"),
        (
            {"prompt": "a", "completion": "b", "label": "TRUE"},
            "rated",
            "columns prompt, completion and label, written as text",
        ),
        ({"instruction": "a", "output": "b", "kto_tag": "?"}, "rated", "columns instruction, output and kto_tag"),
        ({"prompt": "a", "completion": "b", "label": "skarga"}, "prompt_completion", "columns prompt and completion"),
        ({"prompt": "a", "answers": ["b", "c"], "ranks": [0, 1]}, "ranking", "columns answers and ranks"),
        (
            {"messages": OLD},
            "messages",
            "column messages, turns with from and value of human and gpt",
        ),
        (
            {"conversations": TURNS},
            "sharegpt",
            "column conversations, turns with role and content of user and assistant",
        ),
        (
            {"messages": '[{"role": "user", "content": "a"}]'},
            "messages",
            "column messages, written as text",
        ),
    ],
)
def test_a_shape_is_recognised_with_its_reason(record: dict[str, Any], shape: str, reason: str) -> None:
    layout, why = recognise(record)
    assert (layout.shape, why) == (shape, reason)


@pytest.mark.parametrize(
    "turns",
    [
        TURNS,
        OLD,
        [{"from": "user", "value": "Kto?"}, {"from": "assistant", "value": "Urząd."}],
        [{"role": "human", "content": "Kto?"}, {"role": "gpt", "content": "Urząd."}],
    ],
)
@pytest.mark.parametrize("column", ["messages", "conversations"])
def test_a_file_in_one_dialect_is_read_without_a_doubt(column: str, turns: list[Any]) -> None:
    doubts: list[Finding] = []
    layout, _ = recognise({column: turns})
    row = to_row({column: turns}, layout, "f", 1, doubts)
    assert isinstance(row, Row)
    assert row.messages == tuple(TURNS)
    assert not doubts


def test_records_of_one_kind_have_one_layout() -> None:
    """Readers count votes for layouts."""
    first, second = ({"messages": TURNS, "id": 1}, {"messages": [*TURNS, *TURNS]})
    assert recognise(first) == recognise(second)
    assert len({recognise(first)[0], recognise(second)[0], recognise({"text": "a"})[0]}) == 2


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"title": "b", "body": "a"}, "no shape has the columns body, title"),
        ({"conversation": OLD}, "'conversation' looks like 'conversations' misspelt"),
        ({"instrution": "a", "output": "b"}, "'instrution' looks like 'instruction' misspelt"),
        ({"Prompt": "a", "Completion": "b"}, "'Prompt' looks like 'prompt' misspelt"),
        ({"question": "a", "answers": ["b", "c"]}, "no shape has the columns answers, question"),
        ({}, "no shape has the columns no columns"),
    ],
)
def test_what_is_no_shape_is_told_with_what_would_be_one(record: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        recognise(record)
    assert words in caught.value.what
    assert "instruction+output" in caught.value.expected
    assert "data.columns" in caught.value.mend


@pytest.mark.parametrize(
    ("record", "columns", "shape"),
    [
        (
            {"question_pl": "Kto?", "answer_pl": "Urząd."},
            {"prompt": "question_pl", "answer": "answer_pl"},
            "prompt_completion",
        ),
        ({"instruction": "Kto?", "out": "Urząd."}, {"answer": "out"}, "alpaca"),
        ({"input": "Kto?", "output": "Urząd."}, {"prompt": "input", "answer": "output"}, "prompt_completion"),
        ({"rozmowa": TURNS, "prompt": "x"}, {"messages": "rozmowa"}, "messages"),
        ({"question": "Kto?", "answer": "Urząd.", "answers": ["x"]}, {"category": "answers"}, "prompt_completion"),
    ],
)
def test_columns_are_mapped(record: dict[str, Any], columns: dict[str, str], shape: str) -> None:
    layout, reason = recognise(record, columns)
    assert layout.shape == shape
    assert all(name in record for name in reason.removeprefix("columns ").removeprefix("column ").split(" and "))
    if "category" not in columns:
        row = to_row(record, layout, "f", 1)
        assert isinstance(row, Row)
        assert row.messages == tuple(TURNS)


def test_judged_columns_are_mapped() -> None:
    record = {"q": "a", "lepsza": "b", "gorsza": "c"}
    layout, reason = recognise(record, {"prompt": "q", "chosen": "lepsza", "rejected": "gorsza"})
    assert (layout.shape, reason) == ("preference", "columns lepsza and gorsza")
    record = {"q": "a", "odpowiedzi": ["b", "c"]}
    layout, _ = recognise(record, {"prompt": "q", "answers": "odpowiedzi"})
    row = to_row(record, layout, "f", 1)
    assert isinstance(row, Row)
    assert [turn["content"] for turn in row.ranked] == ["b", "c"]
    layout, _ = recognise({"q": "a", "o": "b", "dobra": True}, {"prompt": "q", "answer": "o", "liked": "dobra"})
    assert layout.shape == "rated"


def test_every_part_can_be_mapped_and_a_mapped_column_plays_one_part() -> None:
    columns = {"prompt": "q", "input": "more", "answer": "a", "system": "s", "history": "h", "tools": "t"}
    columns |= {"category": "dział", "group": "akt", "task": "zadanie", "time": "kiedy"}
    record = {"q": "a", "more": "b", "a": "c", "s": "S", "h": [["d", "e"]], "t": [{"name": "f"}]}
    record |= {"dział": "x", "akt": 7, "zadanie": "qa", "kiedy": "2020-01-02", "input": "nie"}
    row = to_row(record, layout_for("alpaca", columns), "f", 1)
    assert isinstance(row, Row)
    assert [turn["content"] for turn in row.messages or ()] == ["S", "d", "e", "a\nb", "c"]
    assert (row.category, row.group, row.task, row.time, row.tools) == ("x", "7", "qa", "2020-01-02", '[{"name":"f"}]')
    assert unused_columns(record, layout_for("alpaca", columns)) == {"input"}
    twice = to_row({"input": "a", "output": "b"}, layout_for("alpaca", {"prompt": "input"}), "f", 1)
    assert isinstance(twice, Row)
    assert [turn["content"] for turn in twice.messages or ()] == ["a", "b"]


@pytest.mark.parametrize(
    ("shape", "columns", "words"),
    [
        ("auto", {}, "no shape 'auto'"),
        ("csv", {}, "no shape 'csv'"),
        ("alpaca", {"promt": "a"}, "no part 'promt'"),
        ("alpaca", {"augmented_from": "a"}, "no part 'augmented_from'"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(shape: str, columns: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        layout_for(shape, columns)


def test_the_parts_are_those_of_the_recipe() -> None:
    from typing import get_args

    from kamerton.data.shapes.layout import parts
    from kamerton.recipe import ColumnRole, ShapeName

    assert {*parts()} == {*get_args(ColumnRole), "augmented_from"}
    assert {*SHAPES, "auto"} == {*get_args(ShapeName)}


def test_unused_columns_and_turn_keys_are_listed() -> None:
    record = {"messages": [TURNS[0] | {"weight": 0, "date": "x", "mood": None}, TURNS[1]], "id": 5, "note": None}
    assert unused_columns(record, layout_for("messages", {})) == {"id", "messages[].date"}
    assert unused_columns({"instruction": "a", "output": "b"}, layout_for("alpaca", {})) == set()
    pair = {"prompt": "a", "chosen": [TURNS[1] | {"score": 5}], "rejected": [TURNS[1]], "images": ["a.png"]}
    assert unused_columns(pair, layout_for("preference", {})) == {"chosen[].score", "images"}
