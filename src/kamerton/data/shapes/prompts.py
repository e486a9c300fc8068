"""What stands before the answer: system turn, history and question, from columns or from a list of turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kamerton.chat.messages import Message
from kamerton.data.shapes.calls import parsed
from kamerton.data.shapes.faults import BadRowError, Notes, json_type, missing
from kamerton.data.shapes.layout import Layout, Names
from kamerton.data.shapes.turns import is_turns, turns_of

__all__ = ["Record", "first", "list_of", "prompt_turns", "text_of", "with_system"]

Record = Mapping[str, Any]


def first(record: Record, names: Names) -> tuple[str, Any]:
    """The first of these columns that holds something; an empty name where the record has none of them."""
    there = ""
    for name in names:
        value = record.get(name)
        if value is not None:
            return name, value
        if not there and name in record:
            there = name
    return there, None


def text_of(record: Record, names: Names) -> str:
    """The text of the first of these columns that the record has."""
    column, value = first(record, names)
    if type(value) is str:
        return value
    if not column:
        raise missing(record, names)
    raise BadRowError("wrong_type", f"the column {column} is {json_type(value)}; expected text")


def list_of(value: Any, column: str, layout: Layout, notes: Notes) -> Any:
    """A value that should be a list; its JSON text is mended."""
    if not isinstance(value, str) or value.lstrip()[:1] != "[":
        return value
    mended = parsed(value, "bad_json_text", f"the column {column} is a text that")
    if not layout.encoded:
        notes.add("json_in_text", f"the column {column} is JSON in a text; read as a list")
    return mended


def prompt_turns(record: Record, layout: Layout, notes: Notes) -> list[Message]:
    """The turns before the answer, from columns.

    The extra input stands below the prompt; a history of pairs stands before it.
    """
    column, prompt = first(record, layout.prompt)
    if is_turns(prompt):
        return with_system(record, layout, turns_of(prompt, f"the column {column}", layout, notes), notes)
    user: Message = {"role": "user", "content": _question(record, layout, notes)}
    before = [*_history(record, layout, notes), user] if layout.history else [user]
    return with_system(record, layout, before, notes) if layout.system else before


def _question(record: Record, layout: Layout, notes: Notes) -> str:
    """Prompt and input, one below the other; one of them may be empty."""
    column, extra = first(record, layout.input)
    if not extra:
        return text_of(record, layout.prompt)
    below = text_of(record, (column,))
    if not layout.prompt:
        return below
    prompt = text_of(record, layout.prompt)
    if not prompt.strip():
        notes.add("empty_prompt", f"the prompt is empty; the column {column} alone is the question")
        return below
    return f"{prompt}\n{below}"


def _history(record: Record, layout: Layout, notes: Notes) -> list[Message]:
    """Pairs of question and answer, oldest first."""
    column, value = first(record, layout.history)
    if not value:
        return []
    pairs = list_of(value, column, layout, notes)
    if not isinstance(pairs, list):
        raise BadRowError("wrong_type", f"the column {column} is {json_type(value)}; expected a list of pairs")
    turns: list[Message] = []
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            what = f"pair {number} of the column {column} is not a pair"
            raise BadRowError("wrong_type", f"{what}; expected [question, answer], two texts")
        turns.append({"role": "user", "content": pair[0]})
        turns.append({"role": "assistant", "content": pair[1]})
    return turns


def with_system(record: Record, layout: Layout, messages: list[Message], notes: Notes) -> list[Message]:
    """The turns with the system column before them; a conversation's own system turn is preferred."""
    column, system = first(record, layout.system)
    if not system:
        return messages
    text = text_of(record, (column,))
    if messages and messages[0]["role"] == "system":
        if messages[0]["content"] != text:
            notes.add("system_not_used", f"the column {column} is not used: the conversation has its own system turn")
        return messages
    return [{"role": "system", "content": text}, *messages]
