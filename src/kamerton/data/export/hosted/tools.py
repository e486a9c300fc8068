"""Rules about tools, their calls, and the replies to these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from kamerton.data.export.hosted.rules import Fault, unknown_keys
from kamerton.data.shapes.faults import json_type

__all__ = ["check_calls", "check_replies", "check_tools"]

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST: Final = 128
"""Tools in an example."""
_FUNCTION: Final = frozenset({"name", "description", "parameters", "strict"})


def check_tools(example: dict[str, Any]) -> Iterator[Fault]:
    """The tools that an example declares, and its switch for calls side by side."""
    tools = example.get("tools")
    if "parallel_tool_calls" in example:
        parallel = example["parallel_tool_calls"]
        if not isinstance(parallel, bool):
            yield Fault("bad_parallel_tool_calls", f"parallel_tool_calls is {json_type(parallel)}; expected a boolean")
        elif tools is None:
            yield Fault("bad_parallel_tool_calls", "parallel_tool_calls stands without tools")
    if "functions" in example:
        rule = "bad_tool" if tools is not None else "deprecated_functions"
        yield Fault(rule, "functions is the old name; write tools" + (" alone" if tools is not None else ""))
    if tools is None:
        if "tools" in example:
            yield Fault("wrong_type", "tools is null; leave it out")
        return
    if not isinstance(tools, list):
        yield Fault("wrong_type", f"tools is {json_type(tools)}; expected a list")
        return
    if len(tools) > _MOST:
        yield Fault("too_many_tools", f"{len(tools)} tools; at most {_MOST} are taken")
    seen: set[str] = set()
    for number, tool in enumerate(tools, 1):
        yield from _tool(tool, f"tool {number}", seen)


def _tool(tool: Any, where: str, seen: set[str]) -> Iterator[Fault]:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        yield Fault("bad_tool", f'{where} is not of the form {{"type": "function", "function": {{...}}}}')
        return
    yield from unknown_keys(tool, frozenset({"type", "function"}), where)
    function = tool["function"]
    yield from unknown_keys(function, _FUNCTION, f"the function of {where}")
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield Fault("bad_tool", f"{where} has the name {name!r}; expected 1 to 64 letters a-z, digits, _ and -")
    elif name in seen:
        yield Fault("duplicate_tool", f"{where} has the name {name!r}, which an earlier one has")
    else:
        seen.add(name)
    for key, kind in (("description", str), ("parameters", dict), ("strict", bool)):
        if key in function and not isinstance(function[key], kind):
            yield Fault("bad_tool", f"{key} of {where} is {json_type(function[key])}")
    parameters = function.get("parameters")
    if isinstance(parameters, dict) and parameters and parameters.get("type") != "object":
        yield Fault("bad_tool", f'parameters of {where} are not a JSON schema of the "type": "object"')


def check_calls(message: dict[str, Any], where: str, declared: frozenset[str]) -> Iterator[Fault]:
    """The calls that an assistant's message makes."""
    calls = message["tool_calls"]
    if message.get("role") != "assistant":
        yield Fault("bad_tool_call", f"{where} has tool_calls, which only the assistant makes")
    if not isinstance(calls, list) or not calls:
        what = "an empty list" if calls == [] else json_type(calls)
        yield Fault("bad_tool_call", f"tool_calls of {where} is {what}; expected a list of calls, or no such key")
        return
    for number, call in enumerate(calls, 1):
        yield from _call(call, f"call {number} of {where}", declared)


def _call(call: Any, where: str, declared: frozenset[str]) -> Iterator[Fault]:
    if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
        yield Fault("bad_tool_call", f"{where} has no function with name and arguments")
        return
    yield from unknown_keys(call, frozenset({"id", "type", "function"}), where)
    yield from unknown_keys(call["function"], frozenset({"name", "arguments"}), f"the function of {where}")
    if call.get("type") != "function":
        yield Fault("bad_tool_call", f'{where} has not the "type": "function"')
    if not isinstance(call.get("id"), str) or not call["id"]:
        yield Fault("bad_tool_call", f"{where} has no id")
    name, arguments = call["function"].get("name"), call["function"].get("arguments")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield Fault("bad_tool_call", f"{where} has the name {name!r}; expected 1 to 64 letters a-z, digits, _ and -")
    elif name not in declared:
        yield Fault("undeclared_tool", f"{where} calls {name!r}, which is not among the tools")
    if not isinstance(arguments, str):
        yield Fault("bad_tool_call", f"arguments of {where} are {json_type(arguments)}; expected a JSON text")
    elif not _is_object(arguments):
        yield Fault("broken_arguments", f"arguments of {where} are not the JSON text of an object")


def check_replies(messages: Sequence[dict[str, Any]]) -> Iterator[Fault]:
    """Every call is answered before anybody else speaks, but those of the last message; no reply stands alone."""
    waiting: dict[str, int] = {}
    for number, message in enumerate(messages, 1):
        role = message.get("role")
        if role == "tool":
            known = message.get("tool_call_id")
            if not isinstance(known, str) or known not in waiting:
                yield Fault("stray_tool_reply", f"message {number} replies to the call {known!r}, which nobody made")
            else:
                del waiting[known]
            continue
        yield from _unanswered(waiting)
        calls = message.get("tool_calls")
        given = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        waiting = {call: number for call in given if isinstance(call, str)}
        if len(waiting) < len(given) and all(isinstance(call, str) for call in given):
            yield Fault("bad_tool_call", f"two calls of message {number} have one id")
    if messages and messages[-1].get("role") == "tool":
        yield from _unanswered(waiting)


def _unanswered(waiting: dict[str, int]) -> Iterator[Fault]:
    for call, number in waiting.items():
        yield Fault("unanswered_call", f"nothing replies to the call {call!r} of message {number}")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
