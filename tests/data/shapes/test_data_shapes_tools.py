"""Tools and calls of them, as OpenAI, ShareGPT and others write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import layout_for, to_record, to_row
from kamerton.records.data import Finding

ASKED = {"role": "user", "content": "Ile?"}
SAID = {"role": "assistant", "content": "Pięć."}
CALL = {"name": "licz", "arguments": '{"ile": 5}'}


def row_of(turns: Any, shape: str = "messages", doubts: list[Finding] | None = None, **more: Any) -> Row:
    column = "conversations" if shape == "sharegpt" else "messages"
    row = to_row({column: turns} | more, layout_for(shape, {}), "f", 1, doubts)
    assert isinstance(row, Row), row
    return row


def finding_of(turns: Any, shape: str = "messages", **more: Any) -> Finding:
    column = "conversations" if shape == "sharegpt" else "messages"
    finding = to_row({column: turns} | more, layout_for(shape, {}), "f", 1)
    assert isinstance(finding, Finding), finding
    return finding


@pytest.mark.parametrize(
    "turn",
    [
        {"content": None, "tool_calls": [{"type": "function", "function": CALL}]},
        {"content": "", "tool_calls": [{"function": CALL}]},
        {"tool_calls": [CALL]},
        {"content": None, "function_call": CALL},
        {"content": None, "tool_calls": json.dumps([CALL])},
        {"content": [{"type": "tool_call", "value": json.dumps(CALL)}]},
        {"content": [{"type": "tool_call", "value": CALL}]},
        {"content": "", "tool_calls": [CALL], "function_call": None, "tool_call_id": None},
    ],
)
def test_a_call_is_one_message_however_it_is_written(turn: dict[str, Any]) -> None:
    row = row_of([ASKED, {"role": "assistant"} | turn])
    assert row.messages == (ASKED, {"role": "assistant", "content": "", "tool_calls": [CALL]})
    assert json.loads(row.answer) == {"name": "licz", "arguments": {"ile": 5}}


def test_arguments_may_be_an_object_and_a_call_has_an_id() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "licz", "arguments": {"ż": [1, None]}}}
    row = row_of([ASKED, {"role": "assistant", "content": "Liczę.", "tool_calls": [call]}])
    (made,) = (row.messages or ())[1]["tool_calls"]
    assert made == {"name": "licz", "arguments": '{"ż":[1,null]}', "id": "c1"}
    assert row.answer == 'Liczę.\n{"name": "licz", "arguments": {"ż":[1,null]}}'


@pytest.mark.parametrize("value", [CALL, [CALL], [CALL, CALL]])
def test_sharegpt_writes_a_call_as_a_turn(value: Any) -> None:
    turns = [
        {"from": "human", "value": "Ile?"},
        {"from": "function_call", "value": json.dumps(value)},
        {"from": "observation", "value": "5"},
        {"from": "gpt", "value": "Pięć."},
    ]
    row = row_of(turns, "sharegpt", tools='[{"name": "licz"}]')
    assert row.messages == (
        ASKED,
        {"role": "assistant", "content": "", "tool_calls": value if isinstance(value, list) else [value]},
        {"role": "tool", "content": "5"},
        SAID,
    )
    assert row.tools == '[{"name":"licz"}]'


def test_replies_of_tools_may_follow_each_other() -> None:
    replies = [{"role": "tool", "content": str(number), "tool_call_id": f"c{number}"} for number in range(3)]
    function = {"role": "function", "name": "licz", "content": "5"}
    row = row_of([ASKED, {"role": "assistant", "tool_calls": [CALL] * 3}, *replies, function, SAID])
    assert [message["role"] for message in row.messages or ()] == ["user", "assistant", *["tool"] * 4, "assistant"]
    assert (row.messages or ())[2] == replies[0]
    assert (row.messages or ())[5] == {"role": "tool", "content": "5", "name": "licz"}


def test_a_call_without_arguments_is_read_with_a_doubt() -> None:
    for arguments in ("", None):
        doubts: list[Finding] = []
        row = row_of(
            [ASKED, {"role": "assistant", "tool_calls": [{"name": "licz", "arguments": arguments}]}], doubts=doubts
        )
        assert (row.messages or ())[1]["tool_calls"][0]["arguments"] == "{}"
        assert [finding.kind for finding in doubts] == ["no_arguments"]


@pytest.mark.parametrize("tools", [[{"name": "f", "parameters": {}}], '[{"name": "f",  "parameters": {}}]'])
def test_tools_are_a_list_or_its_text(tools: Any) -> None:
    row = row_of([ASKED, SAID], tools=tools)
    assert row.tools == '[{"name":"f","parameters":{}}]'
    assert to_record(row)["tools"] == [{"name": "f", "parameters": {}}]


@pytest.mark.parametrize("tools", ["", None, [], "[]"])
def test_no_tools(tools: Any) -> None:
    assert row_of([ASKED, SAID], tools=tools).tools == ""


def test_an_alpaca_row_may_have_tools() -> None:
    row = to_row({"instruction": "a", "output": "b", "tools": [{"name": "f"}]}, layout_for("alpaca", {}), "f", 1)
    assert isinstance(row, Row)
    assert row.tools == '[{"name":"f"}]'


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("szukaj", "the column of tools is not JSON"),
        ('{"name": "f"}', "the tools are an object; expected a list"),
        (5, "the tools are a number"),
        (["f"], "tool 1 has no name"),
        ([{"name": "f"}, {"function": {"name": ""}}], "tool 2 has no name"),
        ([{"function": "f"}], "tool 1 has no name"),
    ],
)
def test_bad_tools_are_refused(tools: Any, words: str) -> None:
    finding = finding_of([ASKED, SAID], tools=tools)
    assert finding.kind == "bad_tools"
    assert words in finding.message


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ({"role": "assistant", "tool_calls": [{"id": 1}]}, "a tool call of turn 2 has no name"),
        ({"role": "assistant", "tool_calls": ["licz"]}, "is not JSON"),
        ({"role": "assistant", "tool_calls": [5]}, "is a number; expected an object"),
        ({"role": "assistant", "tool_calls": [{"function": "licz"}]}, "has no name"),
        ({"role": "assistant", "tool_calls": [{"name": "licz", "arguments": "{"}]}, "the arguments of licz in turn 2"),
        ({"role": "assistant", "tool_calls": [{"name": "licz", "arguments": "[]"}]}, "are a list; expected an object"),
        ({"role": "assistant", "tool_calls": [{"name": "licz", "arguments": 5}]}, "are a number; expected an object"),
        ({"role": "user", "content": "a", "tool_calls": [CALL]}, "which only the assistant makes"),
    ],
)
def test_bad_calls_are_refused(turn: dict[str, Any], words: str) -> None:
    turns = [ASKED, turn] if turn["role"] == "assistant" else [turn, SAID]
    finding = finding_of(turns)
    assert finding.kind == "bad_tool_call"
    assert words in finding.message


@pytest.mark.parametrize("value", ['{"name": "szukaj", "arguments": {zły json}}', "", "null", None, 5])
def test_a_call_that_is_no_json_is_refused(value: Any) -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "function_call", "value": value}]
    assert finding_of(turns, "sharegpt").kind == "bad_tool_call"


@pytest.mark.parametrize("tools", [None, "", "null", "[]", []])
def test_no_tools_may_be_written_in_many_ways(tools: Any) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    row = to_row({"messages": turns, "tools": tools}, layout_for("messages", {}), "f", 1)
    assert isinstance(row, Row), row
    assert row.tools == ""
