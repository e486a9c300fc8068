"""Shapes: which columns hold the example, and how a record becomes a canonical row.

| shape | columns |
|---|---|
| alpaca | `instruction`, `output` (or `response`); optional `input` (or `context`), `system` |
| prompt_completion | `prompt`, `completion` (or `response`), or `question`, `answer`; optional `context`, `system` |
| sharegpt | `conversations`: turns with `from` and `value`; optional `system` |
| messages | `messages`: turns with `role` and `content`, as OpenAI writes them |
| text | `text` |

Every shape may carry `category` and `group`. Texts are taken as they are: nothing is stripped or normalised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from kamerton.chat.messages import Message, Role
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

__all__ = ["SHAPES", "Shape", "recognise", "to_row", "unused_columns"]

Shape = Literal["alpaca", "prompt_completion", "sharegpt", "messages", "text"]

SHAPES: Final[tuple[Shape, ...]] = ("alpaca", "prompt_completion", "sharegpt", "messages", "text")

_CARRIED = {"category", "group"}
_USED: Final[dict[Shape, set[str]]] = {
    "alpaca": {"instruction", "input", "context", "output", "response", "system"} | _CARRIED,
    "prompt_completion": {"prompt", "completion", "response", "question", "answer", "context", "system"} | _CARRIED,
    "sharegpt": {"conversations", "system"} | _CARRIED,
    "messages": {"messages"} | _CARRIED,
    "text": {"text"} | _CARRIED,
}
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "observation": "tool",
}
_FOLLOWS: Final[dict[str, tuple[str, ...]]] = {
    "": ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}


class _BadRowError(Exception):
    """A record that cannot become a row: kind and message of the finding."""


def recognise(sample_record: Mapping[str, Any]) -> tuple[Shape, str]:
    """The shape of a record and the reason, from the names of its columns.

    Raises:
        DataError: no shape has these columns, or they are preference pairs.
    """
    names = sample_record.keys()
    if {"chosen", "rejected"} <= names:
        what = "the columns chosen and rejected are preference pairs, which no shape reads"
    elif "messages" in names:
        return "messages", "column messages"
    elif "conversations" in names:
        return "sharegpt", "column conversations"
    else:
        for shape, prompts, answers in (
            ("alpaca", ("instruction",), ("output", "response")),
            ("prompt_completion", ("prompt",), ("completion", "response")),
            ("prompt_completion", ("question",), ("answer",)),
        ):
            for prompt in prompts:
                for answer in answers:
                    if prompt in names and answer in names:
                        return cast(Shape, shape), f"columns {prompt} and {answer}"
        if "text" in names:
            return "text", "column text"
        what = f"no shape has the columns {_listed(names)}"
    raise DataError(
        what,
        expected="instruction+output, prompt+completion, question+answer, conversations, messages, or text",
        mend="rename the columns, for example to instruction and output",
    )


def unused_columns(record: Mapping[str, Any], shape: Shape) -> set[str]:
    """The columns of a record, and the keys of its turns (`messages[].name`), that its shape does not read."""
    unused = {str(name) for name, value in record.items() if name not in _USED[shape] and value is not None}
    column = {"sharegpt": "conversations", "messages": "messages"}.get(shape, "")
    turns = record.get(column)
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, Mapping):
            unused |= {f"{column}[].{key}" for key in turn if key not in ("role", "content", "from", "value")}
    return unused


def to_row(record: Mapping[str, Any], shape: Shape, file: str, line: int) -> Row | Finding:
    """The canonical row of a record, or the finding that says why it has none."""
    try:
        category, group = _label(record, "category"), _label(record, "group")
        if shape == "text":
            return Row(None, _text(record, "text"), category, group, file, line)
        if shape == "alpaca":
            messages = _pair(record, ("instruction",), ("input", "context"), ("output", "response"))
        elif shape == "prompt_completion":
            messages = _pair(record, ("prompt", "question"), ("context",), ("completion", "response", "answer"))
        else:
            messages = _conversation(record, "conversations" if shape == "sharegpt" else "messages")
        return Row(messages, None, category, group, file, line)
    except _BadRowError as error:
        kind, message = error.args
        return Finding(file=file, line=line, kind=kind, message=message)


def _pair(
    record: Mapping[str, Any], prompts: tuple[str, ...], extras: tuple[str, ...], answers: tuple[str, ...]
) -> tuple[Message, ...]:
    """System, user and assistant turn from columns; the extra input stands below the prompt."""
    prompt, answer = _text(record, *prompts), _text(record, *answers)
    for name in extras:
        extra = record.get(name)
        if extra is not None and extra != "":
            prompt = f"{prompt}\n{_text(record, name)}"
            break
    user: Message = {"role": "user", "content": prompt}
    assistant: Message = {"role": "assistant", "content": answer}
    return (*_system(record), user, assistant)


def _conversation(record: Mapping[str, Any], column: str) -> tuple[Message, ...]:
    turns = record.get(column)
    if column not in record:
        raise _missing(record, (column,))
    if not isinstance(turns, list):
        raise _BadRowError("wrong_type", f"the column {column} is {_kind(turns)}; expected a list of turns")
    if not turns:
        raise _BadRowError("empty_conversation", f"the column {column} is an empty list")
    messages = [*_system(record)] if column == "conversations" else []
    messages += [_turn(turn, number) for number, turn in enumerate(turns, 1)]
    before = ""
    for number, message in enumerate(messages, 1):
        role = message["role"]
        if role not in _FOLLOWS[before]:
            what = f"turn {number} is {role!r} after {before!r}" if before else f"the first turn is {role!r}"
            raise _BadRowError("wrong_role_order", f"{what}; expected {' or '.join(_FOLLOWS[before])}")
        before = role
    if before != "assistant":
        raise _BadRowError("no_answer", f"the last turn is {before!r}; expected an assistant turn to learn from")
    return tuple(messages)


def _turn(turn: Any, number: int) -> Message:
    """One turn; `from`/`value` and `role`/`content` are both taken, since files mix them."""
    if not isinstance(turn, Mapping):
        raise _BadRowError("wrong_type", f"turn {number} is {_kind(turn)}; expected an object with role and content")
    role_key = "role" if "role" in turn else "from"
    content_key = "content" if "content" in turn else "value"
    if role_key not in turn or content_key not in turn:
        raise _BadRowError(
            "missing_column",
            f"turn {number} has the keys {_listed(turn)}; expected role and content, or from and value",
        )
    role = _ROLES.get(str(turn[role_key]).lower())
    if role is None:
        known = ", ".join(_ROLES)
        raise _BadRowError("unknown_role", f"turn {number} has the role {turn[role_key]!r}; expected one of {known}")
    for key in ("tool_calls", "function_call"):
        if turn.get(key):
            raise _BadRowError(
                "tool_call", f"turn {number} has {key}, which would be lost; write the call as its content"
            )
    return {"role": role, "content": _content(turn[content_key], number)}


def _content(content: Any, number: int) -> str:
    """A turn's text; OpenAI's list of text parts is joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
        if texts and len(texts) == len(content):
            return "".join(texts)
        raise _BadRowError("wrong_type", f"turn {number} has content parts other than text; expected text")
    raise _BadRowError("wrong_type", f"the content of turn {number} is {_kind(content)}; expected text")


def _system(record: Mapping[str, Any]) -> tuple[Message, ...]:
    system = record.get("system")
    if system is None or system == "":
        return ()
    return ({"role": "system", "content": _text(record, "system")},)


def _text(record: Mapping[str, Any], *names: str) -> str:
    """The text of the first of these columns that the record has."""
    for name in names:
        if name in record:
            value = record[name]
            if type(value) is str:
                return value
            raise _BadRowError("wrong_type", f"the column {name} is {_kind(value)}; expected text")
    raise _missing(record, names)


def _label(record: Mapping[str, Any], name: str) -> str:
    """A category or group: text, or a whole number written as text; nothing when absent."""
    value = record.get(name)
    if value is None:
        return ""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    raise _BadRowError("wrong_type", f"the column {name} is {_kind(value)}; expected text or a whole number")


def _missing(record: Mapping[str, Any], names: tuple[str, ...]) -> _BadRowError:
    return _BadRowError("missing_column", f"no column {' or '.join(names)}; the row has {_listed(record)}")


def _listed(names: Any) -> str:
    shown = sorted(map(str, names))
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "") if shown else "no columns"


def _kind(value: Any) -> str:
    """A value's JSON type as a reader says it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"of the type {type(value).__name__}")
