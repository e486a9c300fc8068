"""Tools, and the calls that an assistant makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from kamerton.chat.messages import ToolCall
from kamerton.data.shapes.faults import BadRowError, Notes, json_type

__all__ = ["calls_of", "parsed", "tools_of"]


def tools_of(value: Any) -> str:
    """The tools of a record, a list or its JSON text, as `Row.tools` holds them."""
    if value is None or value == "" or value == []:
        return ""
    tools = parsed(value, "bad_tools", "the column of tools") if isinstance(value, str) else value
    if tools is None:
        return ""
    if not isinstance(tools, list):
        raise BadRowError("bad_tools", f"the tools are {json_type(tools)}; expected a list of tool descriptions")
    for number, tool in enumerate(tools, 1):
        inner = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get("name"), str) or not inner["name"]:
            raise BadRowError("bad_tools", f"tool {number} has no name; expected an object with name and parameters")
    return _json(tools) if tools else ""


def calls_of(value: Any, turn: int, notes: Notes) -> list[ToolCall]:
    """Calls as OpenAI (`{id, function: {name, arguments}}`) or others (`{name, arguments}`) write them: one, a list of
    them, or the JSON text of either."""
    given = parsed(value, "bad_tool_call", f"the tool call of turn {turn}") if isinstance(value, str) else value
    return [_call(call, turn, notes) for call in (given if isinstance(given, list) else [given])]


def _call(call: Any, turn: int, notes: Notes) -> ToolCall:
    expected = "expected an object with name and arguments"
    if not isinstance(call, Mapping):
        raise BadRowError("bad_tool_call", f"a tool call of turn {turn} is {json_type(call)}; {expected}")
    inner = call.get("function", call)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(name, str) or not name:
        raise BadRowError("bad_tool_call", f"a tool call of turn {turn} has no name; {expected}")
    arguments = inner.get("arguments", inner.get("parameters"))
    made: ToolCall = {"name": name, "arguments": _arguments(arguments, name, turn, notes)}
    if call.get("id") is not None:
        made["id"] = str(call["id"])
    return made


def _arguments(value: Any, name: str, turn: int, notes: Notes) -> str:
    if value is None or value == "":
        notes.add("no_arguments", f"turn {turn} calls {name} without arguments; read as {{}}")
        return "{}"
    where = f"the arguments of {name} in turn {turn}"
    content = parsed(value, "bad_tool_call", where) if isinstance(value, str) else value
    if not isinstance(content, Mapping):
        raise BadRowError("bad_tool_call", f"{where} are {json_type(content)}; expected an object")
    return value if isinstance(value, str) else _json(content)


def parsed(text: str, kind: str, where: str) -> Any:
    """The value of a JSON text inside a record."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRowError(kind, f"{where} is not JSON at character {error.pos + 1}: {error.msg}") from error


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError) as error:
        raise BadRowError("wrong_type", f"a tool or its call cannot be written as JSON: {error}") from error
