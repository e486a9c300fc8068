"""The canonical record of a row: what an export writes, and what reads back to the same row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from kamerton.chat.messages import Message, ToolCall
from kamerton.data.rows import Row

__all__ = ["to_record"]


def to_record(row: Row) -> dict[str, Any]:
    """The record of a row, which `recognise` and `to_row` read back to an equal row hash.

    | kind | columns |
    |---|---|
    | text | `text` |
    | conversation | `messages`, as OpenAI writes them (`weight: 0` for an answer that is not learned) |
    | rated | `messages`, `label` |
    | ranked | `messages`, and `chosen` and `rejected`, or `answers` and `ranks` for more than two |

    `tools`, `category`, `group`, `task`, `time` and `augmented_from` are there where the row has them.
    """
    record: dict[str, Any] = {}
    if row.text is not None:
        record["text"] = row.text
    else:
        record["messages"] = [_turn(message) for message in row.messages or ()]
    answers = [_turn(message) for message in row.ranked]
    if len(answers) == 2:
        record["chosen"], record["rejected"] = answers
    elif answers:
        record["answers"], record["ranks"] = answers, list(range(len(answers)))
    if row.liked is not None:
        record["label"] = row.liked
    if row.tools:
        record["tools"] = orjson.loads(row.tools)
    for name in ("category", "group", "task", "time", "augmented_from"):
        if value := getattr(row, name):
            record[name] = value
    return record


def _turn(message: Message) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message["role"], "content": message["content"]}
    if "tool_calls" in message:
        turn["tool_calls"] = _calls(message["tool_calls"])
    for key in ("tool_call_id", "name"):
        if key in message:
            turn[key] = message[key]
    if not message.get("trained", True):
        turn["weight"] = 0
    return turn


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {
            **({"id": call["id"]} if "id" in call else {}),
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in calls
    ]
