"""Records with one answer: what becomes a row, and what each broken one gets."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import layout_for, recognise, to_row
from kamerton.records.data import Finding

TURNS = [{"role": "user", "content": "Kto?"}, {"role": "assistant", "content": "Urząd."}]


def row_of(record: dict[str, Any], shape: str, doubts: list[Finding] | None = None) -> Row:
    row = to_row(record, layout_for(shape, {}), "f.jsonl", 7, doubts)
    assert isinstance(row, Row), row
    return row


def turns_of(row: Row) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in row.messages or ()]


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
    row = row_of({"instruction": " a ", "input": empty, "system": empty, "tools": empty, "output": "b"}, "alpaca")
    assert turns_of(row) == [("user", " a "), ("assistant", "b")]


def test_an_empty_instruction_leaves_the_input_and_a_doubt() -> None:
    doubts: list[Finding] = []
    row = row_of({"instruction": "", "input": "Ile?", "output": "5"}, "alpaca", doubts)
    assert turns_of(row)[0] == ("user", "Ile?")
    assert [(finding.kind, finding.severity, finding.line) for finding in doubts] == [("empty_prompt", "warning", 7)]


@pytest.mark.parametrize("history", [[["a", "b"], ["c", "d"]], '[["a", "b"], ["c", "d"]]'])
def test_a_history_stands_before_the_question_and_is_learned(history: Any) -> None:
    doubts: list[Finding] = []
    row = row_of({"instruction": "e", "output": "f", "system": "s", "history": history}, "alpaca", doubts)
    assert [text for _, text in turns_of(row)] == ["s", "a", "b", "c", "d", "e", "f"]
    assert not any("trained" in message for message in row.messages or ())
    assert [finding.kind for finding in doubts] == ([] if isinstance(history, list) else ["json_in_text"])


def test_a_context_column_stands_below_the_question() -> None:
    row = row_of({"question": "Ile?", "context": "Pięć złotych.", "answer": "5"}, "prompt_completion")
    assert turns_of(row) == [("user", "Ile?\nPięć złotych."), ("assistant", "5")]


def test_prompt_and_completion_may_be_turns_and_only_the_completion_is_learned() -> None:
    record = {
        "prompt": [*TURNS, {"role": "user", "content": "Gdzie?"}],
        "completion": [{"role": "assistant", "content": "Tu."}],
    }
    row = row_of(record, "prompt_completion")
    assert [text for _, text in turns_of(row)] == ["Kto?", "Urząd.", "Gdzie?", "Tu."]
    assert [message.get("trained") for message in row.messages or ()] == [None, False, None, None]
    mixed = row_of({"prompt": "Kto?", "completion": [TURNS[1]]}, "prompt_completion")
    assert turns_of(mixed) == [("user", "Kto?"), ("assistant", "Urząd.")]


def test_names_of_roles_are_translated_and_foreign_ones_doubted() -> None:
    turns = [
        {"from": "system", "value": "s"},
        {"from": "Human", "value": "u"},
        {"from": "gpt", "value": "a"},
        {"from": "observation", "value": "t"},
        {"role": "ASSISTANT", "content": "b"},
    ]
    doubts: list[Finding] = []
    row = row_of({"conversations": turns}, "sharegpt", doubts)
    assert [role for role, _ in turns_of(row)] == ["system", "user", "assistant", "tool", "assistant"]
    assert [finding.kind for finding in doubts] == ["mended_role", "mended_turn", "mended_role"]
    assert "'Human' is none of human, gpt, observation, function_call, system; read as user" in doubts[0].message


def test_a_system_column_comes_before_the_conversation() -> None:
    turns = [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]
    row = row_of({"conversations": turns, "system": "s"}, "sharegpt")
    assert turns_of(row)[0] == ("system", "s")
    doubts: list[Finding] = []
    own = row_of({"conversations": [{"from": "system", "value": "x"}, *turns], "system": "s"}, "sharegpt", doubts)
    assert turns_of(own)[0] == ("system", "x")
    assert [finding.kind for finding in doubts] == ["system_not_used"]
    doubts.clear()
    row_of({"conversations": [{"from": "system", "value": "s"}, *turns], "system": "s"}, "sharegpt", doubts)
    assert not doubts


def test_text_parts_are_joined_and_reasoning_is_marked() -> None:
    content = [{"type": "text", "text": "Kto "}, {"type": "text", "value": "tam?"}]
    thought = [{"type": "reasoning", "value": "\nHm.\n"}, {"type": "text", "value": "Ja."}]
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": thought}]
    row = row_of({"messages": turns}, "messages")
    assert [text for _, text in turns_of(row)] == ["Kto tam?", "<think>\nHm.\n</think>\n\nJa."]
    beside = row_of(
        {"messages": [TURNS[0], {"role": "assistant", "content": "Ja.", "reasoning_content": "Hm."}]}, "messages"
    )
    assert turns_of(beside)[1] == turns_of(row)[1]


@pytest.mark.parametrize("weight", [{"weight": 0}, {"loss_weight": 0.0}, {"trained": False}, {"weight": False}])
def test_an_answer_that_is_not_learned_is_marked(weight: dict[str, Any]) -> None:
    row = row_of({"messages": [TURNS[0], TURNS[1] | weight, *TURNS]}, "messages")
    assert [message.get("trained") for message in row.messages or ()] == [None, False, None, None]


def test_a_weight_of_one_says_nothing_new() -> None:
    doubts: list[Finding] = []
    turns = [TURNS[0] | {"loss_weight": 0.0}, TURNS[1] | {"loss_weight": 1.0}]
    assert row_of({"messages": turns}, "messages", doubts) == row_of({"messages": TURNS}, "messages")
    assert not doubts
    row_of({"messages": [TURNS[0] | {"weight": 1}, TURNS[1]]}, "messages", doubts)
    assert [finding.kind for finding in doubts] == ["weight_not_used"]


def test_the_developer_is_the_system_and_a_speaker_keeps_the_name() -> None:
    turns = [{"role": "developer", "content": "s"}, TURNS[0] | {"name": "anna"}, TURNS[1]]
    row = row_of({"messages": turns}, "messages")
    assert [role for role, _ in turns_of(row)] == ["system", "user", "assistant"]
    assert (row.messages or ())[1] == {"role": "user", "content": "Kto?", "name": "anna"}


def test_a_text_row_has_no_messages() -> None:
    row = row_of({"text": "Dawno temu", "group": "bajki", "task": "t", "time": date(2024, 5, 6)}, "text")
    assert (row.messages, row.text, row.group, row.task, row.time) == (None, "Dawno temu", "bajki", "t", "2024-05-06")
    late = row_of({"text": "a", "time": datetime(2024, 5, 6, 7, tzinfo=UTC)}, "text")
    assert late.time == "2024-05-06T07:00:00+00:00"


def test_a_list_in_a_text_is_doubted_unless_the_file_writes_all_so() -> None:
    record = {"messages": '[{"role": "user", "content": "Kto?"}, {"role": "assistant", "content": "Urząd."}]'}
    doubts: list[Finding] = []
    row = row_of(record, "messages", doubts)
    assert row.messages == tuple(TURNS)
    assert [finding.kind for finding in doubts] == ["json_in_text"]
    doubts.clear()
    assert to_row(record, recognise(record)[0], "f.jsonl", 7, doubts) == row
    assert not doubts


def test_doubts_need_not_be_asked_for() -> None:
    assert row_of({"messages": [TURNS[0] | {"weight": 1}, TURNS[1]]}, "messages").messages == tuple(TURNS)


@pytest.mark.parametrize(
    ("record", "shape", "kind", "words"),
    [
        ({"instruction": "a"}, "alpaca", "missing_column", "completion or answer; the row has instruction"),
        ({"instruction": "a", "outptu": "b"}, "alpaca", "missing_column", "'outptu' looks like 'output' misspelt"),
        ({"instruction": "a", "output": None}, "alpaca", "wrong_type", "output is null; expected text"),
        ({"instruction": "a", "output": 5}, "alpaca", "wrong_type", "output is a number"),
        ({"instruction": "a", "output": True}, "alpaca", "wrong_type", "output is true or false"),
        ({"instruction": "a", "output": ["b"]}, "alpaca", "wrong_type", "output is a list; expected text"),
        ({"instruction": "a", "output": []}, "alpaca", "wrong_type", "output is a list; expected text"),
        ({"instruction": ["a"], "output": "b"}, "alpaca", "wrong_type", "instruction is a list"),
        ({"instruction": "a", "input": {"x": 1}, "output": "b"}, "alpaca", "wrong_type", "input is an object"),
        ({"instruction": "a", "output": "b", "system": 5}, "alpaca", "wrong_type", "system is a number"),
        (
            {"instruction": "a", "output": "b", "history": [["a"]]},
            "alpaca",
            "wrong_type",
            "pair 1 of the column history",
        ),
        ({"instruction": "a", "output": "b", "history": [["a", None]]}, "alpaca", "wrong_type", "two texts"),
        ({"instruction": "a", "output": "b", "history": {"a": 1}}, "alpaca", "wrong_type", "history is an object"),
        ({"instruction": "a", "output": "b", "group": [1]}, "alpaca", "wrong_type", "group is a list"),
        ({"instruction": "a", "output": "b", "group": True}, "alpaca", "wrong_type", "group is true or false"),
        ({"instruction": "a", "output": "b", "category": 0.5}, "alpaca", "wrong_type", "category is a number"),
        ({"prompt": [TURNS[0]], "completion": "b"}, "messages", "missing_column", "no column messages"),
        ({"prompt": TURNS, "completion": [TURNS[1]]}, "prompt_completion", "wrong_role_order", "turn 3 is 'assistant'"),
        ({"prompt": "a", "completion": [TURNS[0]]}, "prompt_completion", "wrong_role_order", "turn 2 is 'user'"),
        ({}, "text", "missing_column", "the row has no columns"),
        ({"other": 1}, "messages", "missing_column", "no column messages"),
        ({"messages": "user: a"}, "messages", "wrong_type", "messages is a text; expected a list"),
        ({"messages": "[{'role': 'user'}]"}, "messages", "bad_json_text", "is not JSON at character 3"),
        ({"messages": []}, "messages", "empty_conversation", "empty list"),
        ({"messages": "[]"}, "messages", "empty_conversation", "empty list"),
        ({"messages": [TURNS]}, "messages", "wrong_type", "turn 1 is a list"),
        ({"messages": [{"role": "user"}]}, "messages", "missing_column", "turn 1 has the keys role"),
        (
            {"messages": [{"role": "user", "contnet": "a"}]},
            "messages",
            "missing_column",
            "'contnet' looks like 'content'",
        ),
        ({"messages": [{"role": "bing", "content": "x"}]}, "messages", "unknown_role", "'bing'"),
        (
            {"messages": [TURNS[0], {"role": "asistant", "content": "x"}]},
            "messages",
            "unknown_role",
            "function; 'asistant' looks like 'assistant' misspelt",
        ),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages", "unknown_role", "role of turn 1 is a list"),
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
        ({"messages": [{"role": "user", "content": []}, TURNS[1]]}, "messages", "wrong_type", "is an empty list"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, TURNS[1]]},
            "messages",
            "wrong_type",
            "content part 'image_url' other than text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}, TURNS[1]]},
            *("messages", "wrong_type", "a part of turn 1 has null for its text"),
        ),
        ({"messages": [TURNS[0], TURNS[1] | {"weight": 0.5}]}, "messages", "wrong_type", "weight of turn 2 is 0.5"),
        ({"messages": [TURNS[0], TURNS[1] | {"weight": "0"}]}, "messages", "wrong_type", "weight of turn 2 is '0'"),
        ({"messages": [TURNS[0] | {"name": 5}, TURNS[1]]}, "messages", "wrong_type", "name of turn 1 is a number"),
    ],
)
def test_a_broken_record_says_what_and_where(record: dict[str, Any], shape: str, kind: str, words: str) -> None:
    finding = to_row(record, layout_for(shape, {}), "f.jsonl", 7)
    assert isinstance(finding, Finding), finding
    assert (finding.kind, finding.file, finding.line, finding.severity) == (kind, "f.jsonl", 7, "error")
    assert words in finding.message
