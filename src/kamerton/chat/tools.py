"""Tools and their calls in the form that Hugging Face's templates read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kamerton.chat.messages import Message, ToolCall
from kamerton.ground.errors import DataError

__all__ = ["Turn", "swapped", "template_tools", "template_turn", "texts_of"]

Turn = dict[str, Any]
"""A message as a template reads it."""


def template_turn(message: Message) -> Turn:
    """A message for a template: arguments of calls as objects, and no mark of what is trained.

    Raises:
        DataError: the arguments of a call are not a JSON object.
    """
    turn: Turn = {"role": message["role"], "content": message["content"]}
    if "tool_calls" in message:
        turn["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    if "tool_call_id" in message:
        turn["tool_call_id"] = message["tool_call_id"]
    if "name" in message:
        turn["name"] = message["name"]
    return turn


def template_tools(tools: str) -> list[Any] | None:
    """The tools of a row (`Row.tools`) for a template; None where there are none.

    Raises:
        DataError: not a JSON list of objects.
    """
    if not tools:
        return None
    found = _parsed(tools, "the tools")
    if not isinstance(found, list) or not all(isinstance(tool, Mapping) for tool in found):
        raise DataError("the tools are not a list of objects", expected="a JSON array of tool descriptions")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in found] or None


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = _parsed(call["arguments"], f"the arguments of the call of {call['name']}")
    if not isinstance(arguments, Mapping):
        raise DataError(f"the arguments of the call of {call['name']} are no object", expected="a JSON object")
    made: dict[str, Any] = {"type": "function", "function": {"name": call["name"], "arguments": arguments}}
    return {"id": call["id"], **made} if "id" in call else made


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what} cannot be read as JSON: {error}", mend="kamerton data check FILE") from error


def texts_of(value: Any) -> Iterator[str]:
    """All texts of a JSON value, the names of keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, held in value.items():
            yield key
            yield from texts_of(held)
    elif isinstance(value, Sequence):
        for held in value:
            yield from texts_of(held)


def swapped(value: Any, texts: Mapping[str, str]) -> Any:
    """A JSON value with its texts replaced, the names of keys among them."""
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, Mapping):
        return {texts.get(key, key): swapped(held, texts) for key, held in value.items()}
    if isinstance(value, Sequence):
        return [swapped(held, texts) for held in value]
    return value
