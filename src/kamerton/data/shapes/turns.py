"""The turns of a conversation, in any of the dialects that are in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from kamerton.chat.messages import Message
from kamerton.data.shapes.calls import calls_of
from kamerton.data.shapes.faults import BadRowError, Notes, json_type, listed, misspelt
from kamerton.data.shapes.layout import OPENAI, SHAREGPT, Layout, Speaker, Tags

__all__ = ["TURN_KEYS", "answer_turn", "check_order", "conversation", "is_turns", "turns_of"]

TURN_KEYS: Final = frozenset(
    {
        *("role", "content", "from", "value", "tool_calls", "function_call", "tool_call_id", "name"),
        *("weight", "loss_weight", "trained", "reasoning_content"),
    }
)
"""The keys of a turn that are read."""

_KNOWN: Final[dict[str, Speaker]] = {**OPENAI.speaker, **SHAREGPT.speaker, "prompter": "user", "model": "assistant"}
_NEXT: Final[dict[str, tuple[str, ...]]] = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}
_TEXT_PARTS: Final = ("text", "input_text", "output_text", "refusal", "reasoning")


def conversation(value: Any, column: str, layout: Layout, notes: Notes) -> list[Message]:
    """The turns of a column, in an order that a conversation can have.

    Raises:
        BadRowError: no list of turns, a turn that cannot be read, or roles out of order.
    """
    messages = turns_of(value, f"the column {column}", layout, notes)
    check_order(messages)
    return messages


def turns_of(value: Any, where: str, layout: Layout, notes: Notes) -> list[Message]:
    """The turns of a list, whatever their order."""
    if type(value) is not list:
        raise BadRowError("wrong_type", f"{where} is {json_type(value)}; expected a list of turns")
    if not value:
        raise BadRowError("empty_conversation", f"{where} is an empty list")
    tags = layout.tags
    speaker, role_key, content_key = tags.speaker, tags.role, tags.content
    messages: list[Message] = []
    for number, turn in enumerate(value, 1):
        try:
            who = speaker[turn[role_key]]
            content = turn[content_key]
            plain = type(content) is str and who != "call" and len(turn) == 2
        except (KeyError, TypeError):
            plain = False
        if plain:
            messages.append({"role": who, "content": content})  # type: ignore[typeddict-item]
        else:
            messages.append(_turn(turn, number, tags, notes))
    return messages


def is_turns(value: Any) -> bool:
    """Whether a value that may be a text is meant as a list of turns."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def answer_turn(value: Any, where: str, layout: Layout, notes: Notes) -> Message:
    """One answer: a text, or an assistant's turn."""
    if isinstance(value, str):
        return {"role": "assistant", "content": value}
    if not isinstance(value, Mapping):
        raise BadRowError("wrong_type", f"{where} is {json_type(value)}; expected a text or an assistant's turn")
    if "text" in value and not {layout.tags.content, "content", "value"} & value.keys():
        return answer_turn(value["text"], f"the text of {where}", layout, notes)
    message = _turn(value, 1, layout.tags, notes)
    if message["role"] != "assistant":
        raise BadRowError("wrong_role", f"{where} is a turn of the {message['role']}; expected the assistant's")
    return message


def check_order(messages: Sequence[Message], before: str = "") -> None:
    """Raise when a turn cannot follow the one before it."""
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role not in _NEXT[before]:
            what = f"turn {number} is {role!r} after {before!r}" if before else f"the first turn is {role!r}"
            raise BadRowError("wrong_role_order", f"{what}; expected {' or '.join(_NEXT[before])}")
        before = role


def _turn(turn: Any, number: int, tags: Tags, notes: Notes) -> Message:
    """One turn with something beside a plain role and text, or in another dialect than the file's."""
    if not isinstance(turn, Mapping):
        raise BadRowError("wrong_type", f"turn {number} is {json_type(turn)}; expected an object with role and content")
    role_key, content_key = _keys(turn, tags, number, notes)
    who = _speaker(turn[role_key], tags, number, notes)
    given = turn.get("tool_calls") or turn.get("function_call")
    raw = given if isinstance(given, list) else [given] if given else []
    content = turn.get(content_key)
    if who == "call":
        who, text, raw = "assistant", "", [*raw, content]
    elif content is None and raw:
        text = ""
    else:
        text, inner = _content(content, number)
        raw = [*raw, *inner]
    if raw and who != "assistant":
        raise BadRowError("bad_tool_call", f"turn {number} ({who}) has tool calls, which only the assistant makes")
    thought = turn.get("reasoning_content")
    message: Message = {"role": who, "content": _reasoned(thought, text) if isinstance(thought, str) else text}
    if raw:
        message["tool_calls"] = [call for value in raw for call in calls_of(value, number, notes)]
    _add_extras(message, turn, number, notes)
    return message


def _keys(turn: Mapping[str, Any], tags: Tags, number: int, notes: Notes) -> tuple[str, str]:
    """The keys that hold role and content: those of the file's dialect, else those of another."""
    role = next((key for key in (tags.role, "role", "from") if key in turn), None)
    content = next((key for key in (tags.content, "content", "value") if key in turn), None)
    if content is None and (turn.get("tool_calls") or turn.get("function_call")):
        content = tags.content
    if role is None or content is None:
        hint = misspelt(turn, (tags.role, tags.content))
        raise BadRowError(
            "missing_column",
            f"turn {number} has the keys {listed(turn)}; expected {tags.role} and {tags.content}{hint}",
        )
    if (role, content) != (tags.role, tags.content):
        notes.add("mended_turn", f"turns with {role} and {content} were read as {tags.role} and {tags.content}")
    return role, content


def _speaker(name: Any, tags: Tags, number: int, notes: Notes) -> Speaker:
    """Who a role's name stands for; a known name of another dialect, or in capitals, is mended."""
    if not isinstance(name, str):
        raise BadRowError("unknown_role", f"the role of turn {number} is {json_type(name)}; expected a text")
    who = tags.speaker.get(name)
    if who is None:
        who = _KNOWN.get(name.strip().lower())
        if who is None:
            known, hint = ", ".join(tags.speaker), misspelt((name,), tags.speaker)
            raise BadRowError("unknown_role", f"turn {number} has the role {name!r}; expected one of {known}{hint}")
        told = "a tool call" if who == "call" else who
        notes.add("mended_role", f"the role {name!r} is none of {', '.join(tags.speaker)}; read as {told}")
    return who


def _content(content: Any, number: int) -> tuple[str, list[Any]]:
    """Text and tool calls of a turn; parts of text are joined, reasoning stands before them in `<think>`."""
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise BadRowError("wrong_type", f"the content of turn {number} is {json_type(content)}; expected text")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for part in content:
        kind = part.get("type", "text") if isinstance(part, Mapping) else json_type(part)
        held = part.get("text", part.get("value")) if isinstance(part, Mapping) else None
        if kind == "tool_call" and held is not None:
            calls.append(held)
        elif kind in _TEXT_PARTS and isinstance(held, str):
            (thoughts if kind == "reasoning" else texts).append(held)
        elif kind in _TEXT_PARTS:
            raise BadRowError("wrong_type", f"a part of turn {number} has {json_type(held)} for its text")
        else:
            raise BadRowError("wrong_type", f"turn {number} has a content part {kind!r} other than text; expected text")
    if not content:
        raise BadRowError("wrong_type", f"the content of turn {number} is an empty list; expected text")
    text = "".join(texts)
    return (_reasoned("".join(thoughts), text) if thoughts else text), calls


def _reasoned(thought: str, text: str) -> str:
    """Reasoning and answer as the templates of reasoning models part them."""
    marked = "<think>\n" + thought.strip("\n") + "\n</think>"
    return f"{marked}\n\n{text}" if text else marked


def _add_extras(message: Message, turn: Mapping[str, Any], number: int, notes: Notes) -> None:
    """What a turn says beside role, content and calls."""
    for key in ("name", "tool_call_id"):
        value = turn.get(key)
        if value is not None:
            if not isinstance(value, str):
                raise BadRowError("wrong_type", f"{key} of turn {number} is {json_type(value)}; expected text")
            message[key] = value
    for key in ("weight", "loss_weight", "trained"):
        weight = turn.get(key)
        if weight is None:
            continue
        if not isinstance(weight, (bool, int, float)) or weight not in (0, 1):
            raise BadRowError("wrong_type", f"{key} of turn {number} is {weight!r}; expected 0 or 1")
        if message["role"] == "assistant":
            if not weight:
                message["trained"] = False
        elif weight:
            notes.add("weight_not_used", f"{key} of a turn of the {message['role']}; only the assistant is learned")
