"""OpenAI's fine-tuning formats: chat for conversations, preference for ranked answers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kamerton.data.export.hosted import RULES, check_chat, check_preference
from kamerton.data.export.report import UnfitError
from kamerton.data.rows import Row
from kamerton.data.shapes import to_record

__all__ = ["openai_records"]


def openai_records(row: Row, lost: Counter[str]) -> list[dict[str, Any]]:
    """The examples of a row; an example that the service would refuse is refused here.

    A ranking of more than two answers becomes pairs of the best with each of the others.
    """
    if row.kind in ("text", "rated"):
        raise UnfitError("no_place", f"the format has no place for a {row.kind} row, only for conversations and pairs")
    record = to_record(row)
    ids = _Ids()
    messages = [ids.given(message) for message in record["messages"]]
    tools = [tool if "function" in tool else {"type": "function", "function": tool} for tool in record.get("tools", ())]
    declared: dict[str, Any] = {"tools": tools} if tools else {}
    if row.kind == "conversation":
        examples: list[dict[str, Any]] = [{"messages": messages, **declared}]
        faults = check_chat(examples[0])
    else:
        answers = record.get("answers") or [record["chosen"], record["rejected"]]
        best, *others = ([_without(ids.given(answer), "weight")] for answer in answers)
        given = {"messages": [_without(message, "weight") for message in messages], **declared}
        examples = [{"input": given, "preferred_output": best, "non_preferred_output": other} for other in others]
        faults = [fault for example in examples for fault in check_preference(example)]
        if len(others) > 1:
            lost["the order of all answers but the best"] += 1
    for fault in faults:
        if RULES[fault.rule] == "error":
            raise UnfitError(*fault)
    lost.update(name for name in ("category", "group", "task", "time", "augmented_from") if getattr(row, name))
    lost.update(["ids of tool calls were made up"] if ids.made else [])
    return examples


def _without(message: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != key}


class _Ids:
    """The service wants an id for each call and its reply: those without one get it in the order of the calls."""

    def __init__(self) -> None:
        self.made = 0
        self._open: list[str] = []

    def given(self, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("tool_calls"):
            calls = [call if "id" in call else {"id": self._next(), **call} for call in message["tool_calls"]]
            self._open = [call["id"] for call in calls]
            return {**message, "tool_calls": calls}
        if message["role"] == "tool" and "tool_call_id" not in message and self._open:
            self.made += 1
            return {**message, "tool_call_id": self._open.pop(0)}
        if message.get("tool_call_id") in self._open:
            self._open.remove(message["tool_call_id"])
        return message

    def _next(self) -> str:
        self.made += 1
        return f"call_{self.made}"
