"""The texts inside a row, each shown to a rewriter and put back: turns, answers, tool calls, tools and labels.

Text that is JSON is gone through string by string and number by number, each with the key before it as its label, and
stays JSON: `{"pesel": 85050112345}` can become `{"pesel": "[PESEL]"}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kamerton.chat.messages import Message, ToolCall
from kamerton.data.rows import Row

__all__ = ["Rewriter", "rewritten"]

Rewriter = Callable[[str, str, str], str]
"""Takes the place in the row (`turn 2 (assistant)`), the label before the text (`pesel: `, or empty) and the text, and
gives what stands there from now on."""

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")


def rewritten(row: Row, rewrite: Rewriter) -> Row:
    """The row with every text replaced; the row itself where all stay as they are.

    Texts come in the same order for the same row, so that a second walk can bring what a first one asked for.
    """
    changes: dict[str, Any] = {}
    if row.text is not None:
        changes["text"] = _text("text", row.text, rewrite)
    if row.messages is not None:
        changes["messages"] = _turns("turn", row.messages, rewrite)
    if row.ranked:
        changes["ranked"] = _turns("answer", row.ranked, rewrite)
    for name in ("tools", "category", "group", "task"):
        if value := getattr(row, name):
            changes[name] = _text(name, value, rewrite)
    changed = {name: value for name, value in changes.items() if value is not getattr(row, name)}
    return replace(row, **changed) if changed else row


def _turns(what: str, turns: tuple[Message, ...], rewrite: Rewriter) -> tuple[Message, ...]:
    walked = tuple(_turn(f"{what} {number} ({turn['role']})", turn, rewrite) for number, turn in enumerate(turns, 1))
    return turns if all(new is old for new, old in zip(walked, turns, strict=True)) else walked


def _turn(place: str, turn: Message, rewrite: Rewriter) -> Message:
    content = _text(place, turn["content"], rewrite)
    changed: Message | None = {**turn, "content": content} if content is not turn["content"] else None
    if calls := turn.get("tool_calls"):
        walked = [_call(f"{place}, call of {call['name']}", call, rewrite) for call in calls]
        if any(new is not old for new, old in zip(walked, calls, strict=True)):
            changed = {**(changed or turn), "tool_calls": walked}
    if (name := turn.get("name")) and turn["role"] != "tool":
        new_name = rewrite(f"{place}, name", "", name)
        if new_name is not name:
            changed = {**(changed or turn), "name": new_name}
    return changed or turn


def _call(place: str, call: ToolCall, rewrite: Rewriter) -> ToolCall:
    arguments = _text(place, call["arguments"], rewrite)
    return call if arguments is call["arguments"] else {**call, "arguments": arguments}


def _text(place: str, text: str, rewrite: Rewriter) -> str:
    return _json(place, text, rewrite) if _is_json(text) else rewrite(place, "", text)


def _is_json(text: str) -> bool:
    if text[:1] not in ("{", "[") and text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json(place: str, text: str, rewrite: Rewriter) -> str:
    """The JSON text with its strings and whole numbers rewritten, all else (spaces, order, doubled keys) as it was."""
    parts, done, label = [], 0, ""
    for token in _JSON_TOKEN.finditer(text):
        shown = token[0]
        if shown[0] == '"':
            value = json.loads(shown)
            is_key = text[token.end() : token.end() + 64].lstrip()[:1] == ":"
            if is_key:
                label = f"{value}: "
            new = _json(place, value, rewrite) if _is_json(value) else rewrite(place, "" if is_key else label, value)
            # Escapes stay escapes: one may be half of a surrogate pair, which UTF-8 cannot hold.
            written = json.dumps(new, ensure_ascii=shown.isascii() or "\\u" in shown) if new != value else shown
        elif _INTEGER.fullmatch(shown):
            new = rewrite(place, label, shown)
            written = new if _INTEGER.fullmatch(new) else json.dumps(new)
        else:
            continue
        if written != shown:
            parts += [text[done : token.start()], written]
            done = token.end()
    return "".join([*parts, text[done:]]) if parts else text
