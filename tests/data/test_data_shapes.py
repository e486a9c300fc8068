"""Shapes: what is recognised, what becomes a row, and what each broken record gets."""

from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import Shape, recognise, to_row, unused_columns
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

TURNS = [{"role": "user", "content": "Kto?"}, {"role": "assistant", "content": "Urząd."}]


def row_of(record: dict[str, Any], shape: Shape) -> Row:
    row = to_row(record, shape, "f.jsonl", 7)
    assert isinstance(row, Row), row
    return row


def turns_of(row: Row) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row.messages or ()]


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"instruction": "a", "context": "c", "response": "b", "category": "x"}, "alpaca"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion"),
        ({"prompt": "a", "response": "b"}, "prompt_completion"),
        ({"question": "a", "answer": "b"}, "prompt_completion"),
        ({"conversations": []}, "sharegpt"),
        ({"messages": [], "text": "x"}, "messages"),
        ({"text": "a", "title": "b"}, "text"),
    ],
)
def test_a_shape_is_recognised_by_its_columns(record: dict[str, Any], shape: str) -> None:
    found, reason = recognise(record)
    assert found == shape
    assert reason.startswith("column")


def test_unknown_columns_are_named() -> None:
    with pytest.raises(DataError, match=r"columns body, title") as error:
        recognise({"title": "a", "body": "b"})
    assert "instruction+output" in error.value.expected


def test_preference_pairs_are_not_taken_for_conversations() -> None:
    with pytest.raises(DataError, match="preference pairs"):
        recognise({"messages": TURNS, "chosen": "a", "rejected": "b"})


def test_alpaca_joins_the_input_below_the_instruction() -> None:
    record = {"instruction": "Streść.", "input": "Długi list", "output": "Krótko.", "system": "Jesteś urzędnikiem."}
    row = row_of(record | {"category": "pismo", "group": 12}, "alpaca")
    assert turns_of(row) == [
        ("system", "Jesteś urzędnikiem."),
        ("user", "Streść.\nDługi list"),
        ("assistant", "Krótko."),
    ]
    assert (row.category, row.group, row.file, row.line) == ("pismo", "12", "f.jsonl", 7)


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_input_adds_nothing(empty: str | None) -> None:
    row = row_of({"instruction": " a ", "input": empty, "output": "b"}, "alpaca")
    assert turns_of(row)[0] == ("user", " a ")


def test_a_context_column_stands_below_the_question() -> None:
    row = row_of({"question": "Ile?", "context": "Pięć złotych.", "answer": "5"}, "prompt_completion")
    assert turns_of(row) == [("user", "Ile?\nPięć złotych."), ("assistant", "5")]


def test_sharegpt_names_of_roles_are_translated_in_any_case() -> None:
    turns = [
        {"from": "system", "value": "s"},
        {"from": "Human", "value": "u"},
        {"from": "gpt", "value": "a"},
        {"from": "observation", "value": "t"},
        {"role": "ASSISTANT", "content": "b"},
    ]
    row = row_of({"conversations": turns}, "sharegpt")
    assert [role for role, _ in turns_of(row)] == ["system", "user", "assistant", "tool", "assistant"]


def test_a_system_column_comes_before_the_conversation() -> None:
    turns = [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]
    row = row_of({"conversations": turns, "system": "s"}, "sharegpt")
    assert turns_of(row)[0] == ("system", "s")
    twice = to_row({"conversations": [{"from": "system", "value": "x"}, *turns], "system": "s"}, "sharegpt", "f", 1)
    assert isinstance(twice, Finding)
    assert twice.kind == "wrong_role_order"


def test_text_parts_are_joined() -> None:
    content = [{"type": "text", "text": "Kto "}, {"type": "text", "text": "tam?"}]
    row = row_of({"messages": [{"role": "user", "content": content}, TURNS[1]]}, "messages")
    assert turns_of(row)[0] == ("user", "Kto tam?")


def test_a_text_row_has_no_messages() -> None:
    row = row_of({"text": "Dawno temu", "group": "bajki"}, "text")
    assert (row.messages, row.text, row.group) == (None, "Dawno temu", "bajki")


@pytest.mark.parametrize(
    ("record", "shape", "kind", "words"),
    [
        ({"instruction": "a"}, "alpaca", "missing_column", "output or response; the row has instruction"),
        ({"instruction": "a", "output": None}, "alpaca", "wrong_type", "output is null; expected text"),
        ({"instruction": "a", "output": 5}, "alpaca", "wrong_type", "output is a number"),
        ({"instruction": "a", "output": True}, "alpaca", "wrong_type", "output is true or false"),
        ({"instruction": "a", "output": ["b"]}, "alpaca", "wrong_type", "output is a list"),
        ({"instruction": "a", "input": {"x": 1}, "output": "b"}, "alpaca", "wrong_type", "input is an object"),
        ({"instruction": "a", "output": "b", "group": [1]}, "alpaca", "wrong_type", "group is a list"),
        ({"instruction": "a", "output": "b", "category": 0.5}, "alpaca", "wrong_type", "category is a number"),
        ({}, "text", "missing_column", "the row has no columns"),
        ({"other": 1}, "messages", "missing_column", "no column messages"),
        ({"messages": "[]"}, "messages", "wrong_type", "messages is a text; expected a list"),
        ({"messages": []}, "messages", "empty_conversation", "empty list"),
        ({"messages": [TURNS]}, "messages", "wrong_type", "turn 1 is a list"),
        ({"messages": [{"role": "user"}]}, "messages", "missing_column", "turn 1 has the keys role"),
        ({"messages": [{"role": "bing", "content": "x"}]}, "messages", "unknown_role", "'bing'"),
        ({"messages": [TURNS[0]]}, "messages", "no_answer", "the last turn is 'user'"),
        ({"messages": [TURNS[1]]}, "messages", "wrong_role_order", "the first turn is 'assistant'"),
        ({"messages": [TURNS[0], TURNS[0]]}, "messages", "wrong_role_order", "turn 2 is 'user' after 'user'"),
        ({"messages": [*TURNS, TURNS[1]]}, "messages", "wrong_role_order", "turn 3"),
        (
            {"messages": [TURNS[0], {"role": "system", "content": "x"}, TURNS[1]]},
            "messages",
            "wrong_role_order",
            "turn 2 is 'system'",
        ),
        ({"messages": [TURNS[0], {"role": "assistant", "content": None}]}, "messages", "wrong_type", "turn 2 is null"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, TURNS[1]]},
            "messages",
            "wrong_type",
            "parts other than text",
        ),
        (
            {"messages": [TURNS[0], TURNS[1] | {"tool_calls": [{"id": 1}]}]},
            "messages",
            "tool_call",
            "would be lost",
        ),
    ],
)
def test_a_broken_record_says_what_and_where(record: dict[str, Any], shape: Shape, kind: str, words: str) -> None:
    finding = to_row(record, shape, "f.jsonl", 7)
    assert isinstance(finding, Finding), finding
    assert (finding.kind, finding.file, finding.line, finding.severity) == (kind, "f.jsonl", 7, "error")
    assert words in finding.message


def test_unused_columns_and_turn_keys_are_listed() -> None:
    record = {"messages": [TURNS[0] | {"weight": 0}, TURNS[1]], "id": 5, "note": None}
    assert unused_columns(record, "messages") == {"id", "messages[].weight"}
    assert unused_columns({"instruction": "a", "output": "b"}, "alpaca") == set()
