"""Rules about one example: its keys, its messages, and what there is to learn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kamerton.data.export.hosted.rules import Fault, unknown_keys
from kamerton.data.export.hosted.tools import check_calls, check_replies, check_tools
from kamerton.data.shapes.faults import json_type

__all__ = ["check_chat", "check_preference", "example_texts"]

_CHAT: Final = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
_PREFERENCE: Final = frozenset({"input", "preferred_output", "non_preferred_output"})
_INPUT: Final = frozenset({"messages", "tools", "parallel_tool_calls"})
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_MESSAGE: Final = frozenset({"role", "content", "name"})
_OWN_KEYS: Final = {
    "assistant": frozenset({"tool_calls", "function_call", "weight", "refusal"}),
    "tool": frozenset({"tool_call_id"}),
}
_SPEAKER: Final = re.compile(r"[^\s<|\\/>]{1,64}")


def check_chat(example: dict[str, Any]) -> list[Fault]:
    """What is wrong with an example of the chat format."""
    if "messages" not in example:
        return [Fault("missing_key", f"no messages; the example has {', '.join(map(repr, example)) or 'no keys'}")]
    faults = [*unknown_keys(example, _CHAT, "the example"), *check_tools(example)]
    messages = example["messages"]
    faults += _check_list(messages, "messages", _declared(example))
    if any(fault.rule in ("no_messages", "wrong_type") for fault in faults) or not _are_objects(messages):
        return faults
    faults += check_replies(messages)
    answers = [message for message in messages if message.get("role") == "assistant"]
    if not answers:
        faults.append(Fault("no_answer", "no message is the assistant's, so there is nothing to learn"))
    elif messages[-1].get("role") != "assistant":
        faults.append(Fault("last_not_assistant", f"the last message is of the role {messages[-1].get('role')!r}"))
    elif all(message.get("weight") == 0 for message in answers):
        faults.append(Fault("nothing_to_learn", "all answers have the weight 0"))
    return faults


def check_preference(example: dict[str, Any]) -> list[Fault]:
    """What is wrong with an example of the preference format."""
    missing = sorted(_PREFERENCE - example.keys())
    faults = unknown_keys(example, _PREFERENCE, "the example")
    if missing:
        return [*faults, Fault("missing_key", f"no {', '.join(missing)}")]
    given = example["input"]
    if not isinstance(given, dict):
        return [*faults, Fault("wrong_type", f"input is {json_type(given)}; expected an object with messages")]
    faults += [*unknown_keys(given, _INPUT, "input"), *check_tools(given)]
    declared = _declared(given)
    faults += _check_list(given.get("messages"), "input.messages", declared, weights=False)
    messages = given.get("messages")
    if _are_objects(messages) and messages:
        faults += check_replies(messages)
        if messages[-1].get("role") == "assistant":
            faults.append(Fault("no_answer", "input ends with the assistant's message; the outputs are to answer it"))
    for key in ("preferred_output", "non_preferred_output"):
        faults += _check_output(example[key], key, declared)
    if example["preferred_output"] == example["non_preferred_output"]:
        faults.append(Fault("same_outputs", "the two outputs are the same"))
    return faults


def example_texts(example: dict[str, Any]) -> Iterator[str]:
    """The contents and calls of all messages, for an estimate of the tokens; damaged parts are passed over."""
    inner = example.get("input")
    lists = [example.get(key) for key in ("messages", "preferred_output", "non_preferred_output")]
    lists += [inner.get("messages")] if isinstance(inner, dict) else []
    for messages in lists:
        for message in messages if isinstance(messages, list) else ():
            content = message.get("content") if isinstance(message, dict) else None
            if isinstance(content, str):
                yield content
            elif isinstance(content, list):
                yield "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
            if isinstance(message, dict) and message.get("tool_calls"):
                yield str(message["tool_calls"])


def _check_output(output: Any, key: str, declared: frozenset[str]) -> Iterator[Fault]:
    if not isinstance(output, list) or len(output) != 1:
        what = f"{len(output)} messages" if isinstance(output, list) else json_type(output)
        yield Fault("no_answer", f"{key} is {what}; expected a list of one message of the assistant's")
        return
    yield from _check_list(output, key, declared, weights=False)
    if isinstance(output[0], dict) and output[0].get("role") != "assistant":
        yield Fault("no_answer", f"{key} is a message of the role {output[0].get('role')!r}, not the assistant's")


def _check_list(messages: Any, where: str, declared: frozenset[str], *, weights: bool = True) -> Iterator[Fault]:
    if not isinstance(messages, list):
        yield Fault("wrong_type", f"{where} is {json_type(messages)}; expected a list of messages")
        return
    if not messages:
        yield Fault("no_messages", f"{where} is empty")
    for number, message in enumerate(messages, 1):
        place = f"message {number}" if where == "messages" else f"message {number} of {where}"
        if not isinstance(message, dict):
            yield Fault("wrong_type", f"{place} is {json_type(message)}; expected an object")
        else:
            yield from _check_message(message, place, declared, weights)


def _check_message(message: dict[str, Any], where: str, declared: frozenset[str], weights: bool) -> Iterator[Fault]:
    role = message.get("role")
    if role not in _ROLES:
        what = f"the role {role!r}" if "role" in message else "no role"
        yield Fault("unknown_role", f"{where} has {what}; expected one of {', '.join(_ROLES)}")
        return
    known = _MESSAGE | _OWN_KEYS.get(role, frozenset())
    yield from unknown_keys(message, known if weights else known - {"weight"}, f"{where} ({role})")
    if "weight" in message and (type(message["weight"]) is not int or message["weight"] not in (0, 1)):
        yield Fault("bad_weight", f"the weight of {where} is {message['weight']!r}; expected 0 or 1")
    if "name" in message and (not isinstance(message["name"], str) or not _SPEAKER.fullmatch(message["name"])):
        yield Fault("bad_name", f"the name of {where} is {message['name']!r}; expected 1 to 64 signs without spaces")
    if "function_call" in message or role == "function":
        yield Fault("deprecated_functions", f"{where} uses the old form of calls; write tool_calls and role tool")
    if "tool_calls" in message:
        yield from check_calls(message, where, declared)
    yield from _check_content(message, role, where)


def _check_content(message: dict[str, Any], role: str, where: str) -> Iterator[Fault]:
    content = message.get("content")
    calls = bool(message.get("tool_calls") or message.get("function_call"))
    if isinstance(content, str):
        if not content.strip() and not (role == "assistant" and calls):
            rule = "missing_content" if role == "assistant" else "empty_content"
            yield Fault(rule, f"the content of {where} ({role}) is empty")
    elif content is None:
        if role != "assistant" or not (calls or message.get("refusal")):
            yield Fault("missing_content", f"{where} ({role}) has no content")
    elif isinstance(content, list) and role != "tool":
        if not content:
            yield Fault("missing_content", f"the content of {where} ({role}) is an empty list")
        for part in content:
            yield from _check_part(part, role, where)
    else:
        yield Fault("wrong_type", f"the content of {where} ({role}) is {json_type(content)}; expected a text")


def _check_part(part: Any, role: str, where: str) -> Iterator[Fault]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return
    if kind == "image_url" and role == "user" and isinstance(part.get("image_url"), dict):
        return
    allowed = "text, or image_url with an object" if role == "user" else "text"
    yield Fault("bad_content_part", f"a part of the content of {where} ({role}) is not of the type {allowed}")


def _declared(example: dict[str, Any]) -> frozenset[str]:
    """Names of the declared tools; damaged ones are passed over."""
    tools, functions = (
        [*value] if isinstance(value, list) else [] for value in map(example.get, ("tools", "functions"))
    )
    found = [tool.get("function") for tool in tools if isinstance(tool, dict)] + functions
    names = [function.get("name") for function in found if isinstance(function, dict)]
    return frozenset(name for name in names if isinstance(name, str))


def _are_objects(messages: Any) -> bool:
    return isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
