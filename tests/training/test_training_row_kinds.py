"""Rows of every kind: tools reach the template, and rows of judged answers are refused with the objective they want."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from example_samples import build_examples

from kamerton.chat import ChatFormat
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.models.tokenizer import chat_format, load_tokenizer

TOOLS = '[{"name":"licz","parameters":{}}]'
ASKED: Any = {"role": "user", "content": "Ile?"}
SAID: Any = {"role": "assistant", "content": "Pięć."}
CALL: Any = {"role": "assistant", "content": "", "tool_calls": [{"name": "licz", "arguments": '{"a": 1}'}]}


@pytest.fixture(scope="module")
def chat(tiny_base: Path) -> ChatFormat:
    return chat_format(load_tokenizer(tiny_base), "chatml")


@pytest.mark.parametrize("objective", ["sft", "pretrain"])
def test_tools_and_calls_are_in_the_sequence(chat: ChatFormat, objective: str) -> None:
    turns = (ASKED, CALL, {"role": "tool", "content": "5"}, SAID)
    (example,) = build_examples([Row(messages=turns, tools=TOOLS)], chat, objective, 512).examples
    assert example.ids == chat.conversation(list(turns), tools=TOOLS).ids
    assert len(example.ids) > len(chat.conversation(list(turns)).ids)


def test_an_answer_that_is_not_learned_has_no_labels(chat: ChatFormat) -> None:
    shown = {**SAID, "trained": False}
    built = build_examples([Row(messages=(ASKED, shown)), Row(messages=(ASKED, SAID))], chat, "sft", 512)
    assert len(built.masked) == 1
    assert len(built.examples) == 1


@pytest.mark.parametrize("objective", ["sft", "pretrain"])
@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (Row(messages=(ASKED,), ranked=(SAID, CALL), file="a.jsonl", line=3), "dpo"),
        (Row(messages=(ASKED, SAID), liked=True, file="a.jsonl", line=3), "kto"),
    ],
)
def test_judged_rows_are_refused_by_name(chat: ChatFormat, objective: str, row: Row, wanted: str) -> None:
    with pytest.raises(DataError) as caught:
        build_examples([Row(messages=(ASKED, SAID)), row], chat, objective, 512)
    assert caught.value.where == "a.jsonl:3"
    assert f"the row is {row.kind}, and the objective {objective}" in caught.value.what
    assert f"the objective {wanted}" in caught.value.expected
