"""Whatever a record holds, it ends in a row or a finding; and what a row says is written and read back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.data.shapes import SHAPES, layout_for, recognise, to_record, to_row, unused_columns
from kamerton.data.shapes.layout import parts
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

COLUMNS = sorted({name for shape in SHAPES for part in parts() for name in getattr(layout_for(shape, {}), part)})
KEYS = ["role", "content", "from", "value", "tool_calls", "function_call", "function", "name", "arguments", "weight"]
KEYS += ["id", "type", "text", "trained", "reasoning_content", "tool_call_id", "rank"]
WORDS = [
    "user",
    "assistant",
    "human",
    "gpt",
    "tool",
    "system",
    "function_call",
    "observation",
    "true",
    "[]",
    "[{}]",
    "{}",
]
texts = st.sampled_from([*WORDS, '[{"role": "user"}]', '{"name": "f", "arguments": {}}', "", " "]) | st.text(max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | texts, inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(st.sampled_from(COLUMNS) | texts, values, max_size=6)


@settings(max_examples=400)
@given(record=records, shape=st.sampled_from(SHAPES))
def test_any_record_is_a_row_or_a_finding(record: dict[str, Any], shape: str) -> None:
    layouts = [layout_for(shape, {})]
    with suppress(DataError):
        layouts.append(recognise(record)[0])
    for layout in layouts:
        doubts: list[Finding] = []
        made = to_row(record, layout, "f", 3, doubts)
        unused_columns(record, layout)
        if isinstance(made, Row):
            assert made.row_hash
            assert all(
                isinstance(text, str) for text in [*made.texts, made.answer, made.question, made.tools, made.group]
            )
            assert {finding.severity for finding in doubts} <= {"warning"}
        else:
            assert (made.file, made.line, made.severity) == ("f", 3, "error")
            assert made.message
            assert not doubts, "what is refused has one finding"


contents = st.text(st.characters(codec="utf-8"), max_size=6)
said = contents.filter(lambda text: bool(text.strip()))
names = said
calls = st.fixed_dictionaries(
    {"name": names, "arguments": st.dictionaries(contents, contents | st.integers(), max_size=2).map(json.dumps)},
    optional={"id": contents},
)
TOOLS = ["", '[{"name":"f"}]', '[{"type":"function","function":{"name":"ż","parameters":{"a":1.5}}}]']


@st.composite
def answers(draw: st.DrawFn, *, learned: bool = True) -> Message:
    """An assistant's turn."""
    message: dict[str, Any] = {"role": "assistant", "content": draw(said)}
    if draw(st.booleans()):
        message["tool_calls"] = draw(st.lists(calls, min_size=1, max_size=2))
        message["content"] = draw(contents)
    if learned and draw(st.booleans()):
        message["trained"] = False
    return message  # type: ignore[return-value]


@st.composite
def questions(draw: st.DrawFn) -> list[Message]:
    """Turns that end with a question, or with a tool's reply."""
    turns: list[Any] = [{"role": "system", "content": draw(contents)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        turns += [{"role": "user", "content": draw(contents)}, draw(answers())]
        for _ in range(draw(st.integers(0, 2))):
            turns.append(
                {"role": "tool", "content": draw(contents), "tool_call_id": draw(contents), "name": draw(contents)}
            )
        if turns[-1]["role"] == "tool":
            turns.append(draw(answers()))
    return [*turns, {"role": "user", "content": draw(said)}]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Rows of every kind."""
    more = {name: draw(contents) for name in ("category", "group", "task", "time", "augmented_from")}
    kind = draw(st.sampled_from(["text", "conversation", "rated", "ranked"]))
    if kind == "text":
        return Row(text=draw(contents), **more)
    turns = draw(questions())
    tools = draw(st.sampled_from(TOOLS))
    if kind == "ranked":
        several = draw(st.lists(answers(learned=False), min_size=2, max_size=4, unique_by=str))
        return Row(messages=tuple(turns), ranked=tuple(several), tools=tools, **more)
    liked = draw(st.booleans()) if kind == "rated" else None
    return Row(messages=(*turns, draw(answers())), liked=liked, tools=tools, **more)


@settings(max_examples=300)
@given(row=rows())
def test_the_record_of_a_row_is_read_back(row: Row) -> None:
    record = json.loads(json.dumps(to_record(row)))
    layout, _ = recognise(record)
    doubts: list[Finding] = []
    back = to_row(record, layout, "f", 1, doubts)
    assert isinstance(back, Row), back
    assert back.content == row.content
    assert back.row_hash == row.row_hash
    assert not doubts
    assert not unused_columns(record, layout)
