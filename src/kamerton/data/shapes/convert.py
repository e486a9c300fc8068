"""A record becomes a canonical row, or the finding that says why it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.data.shapes.calls import tools_of
from kamerton.data.shapes.faults import BadRowError, Notes, json_type, missing
from kamerton.data.shapes.judged import preference, ranking
from kamerton.data.shapes.layout import Layout, Shape
from kamerton.data.shapes.prompts import Record, first, list_of, prompt_turns, text_of, with_system
from kamerton.data.shapes.turns import check_order, conversation, is_turns, turns_of
from kamerton.records.data import Finding

__all__ = ["to_row"]


def to_row(record: Record, layout: Layout, file: str, line: int, doubts: list[Finding] | None = None) -> Row | Finding:
    """The canonical row of a record, or the finding that says why it has none.

    Args:
        doubts: gets a warning for each thing that was mended, such as a role's name of another dialect or a list
            written as text; None where nobody asks.
    """
    notes = Notes()
    try:
        said = _READERS[layout.shape](record, layout, notes)
        for part, column in layout.labels:
            value = record.get(column)
            if value is not None:
                said[part] = value if type(value) is str else _label(value, column)
        for column in layout.tools:
            if value := record.get(column):
                said["tools"] = tools_of(value)
                break
    except BadRowError as error:
        kind, message = error.args
        return Finding(file=file, line=line, kind=kind, message=message)
    if doubts is not None and notes.made:
        doubts.extend(notes.findings(file, line))
    return Row(file=file, line=line, **said)


def _text(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    text = text_of(record, layout.text)
    column, extra = first(record, layout.input)
    if extra:
        text = f"{text}\n{text_of(record, (column,))}" if text else text_of(record, (column,))
    return {"text": text}


def _pair(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    """Columns with prompt and answer, as texts or (TRL) as lists of turns.

    The answers of a history are learned from, as in LLaMA-Factory; those of a prompt that is a list are not, as in TRL.
    """
    before = prompt_turns(record, layout, notes)
    if is_turns(first(record, layout.prompt)[1]):
        for turn in before:
            if turn["role"] == "assistant":
                turn["trained"] = False
    column, answer = first(record, layout.answer)
    if type(answer) is str:
        answers: list[Message] = [{"role": "assistant", "content": answer}]
    elif is_turns(answer):
        answers = turns_of(answer, f"the column {column}", layout, notes)
        check_order([*before, *answers])
        if answers[-1]["role"] != "assistant":
            raise _no_answer(answers)
    else:
        answers = [{"role": "assistant", "content": text_of(record, layout.answer)}]
    return {"messages": (*before, *answers)}


def _conversation(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    column, value = first(record, layout.messages)
    if not column:
        raise missing(record, layout.messages)
    messages = conversation(list_of(value, column, layout, notes), column, layout, notes)
    if messages[-1]["role"] != "assistant":
        raise _no_answer(messages)
    return {"messages": tuple(with_system(record, layout, messages, notes))}


def _rated(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    """A pair or a conversation, and whether its answer is wanted."""
    alone = first(record, layout.prompt)[1] is None and first(record, layout.messages)[1] is not None
    said = (_conversation if alone or not layout.prompt else _pair)(record, layout, notes)
    column, liked = first(record, layout.liked)
    if not column:
        raise missing(record, layout.liked)
    if isinstance(liked, str) and liked.strip().lower() in ("true", "false"):
        if not layout.encoded:
            notes.add("mended_label", f"the column {column} is the text {liked!r}; read as {liked.strip().lower()}")
        liked = liked.strip().lower() == "true"
    if not isinstance(liked, bool):
        raise BadRowError("wrong_type", f"the column {column} is {json_type(liked)}; expected true or false")
    return said | {"liked": liked}


def _no_answer(messages: Sequence[Message]) -> BadRowError:
    role = messages[-1]["role"]
    return BadRowError("no_answer", f"the last turn is {role!r}; expected an assistant turn to learn from")


_READERS: Final[Mapping[Shape, Callable[[Record, Layout, Notes], dict[str, Any]]]] = {
    "alpaca": _pair,
    "prompt_completion": _pair,
    "sharegpt": _conversation,
    "messages": _conversation,
    "text": _text,
    "preference": preference,
    "rated": _rated,
    "ranking": ranking,
}


def _label(value: Any, column: str) -> str:
    """A category, group, task or time: text, or a whole number or date written as text."""
    if type(value) is int:
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise BadRowError("wrong_type", f"the column {column} is {json_type(value)}; expected text or a whole number")
