"""Answers that were judged: preference pairs and rankings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Final

from kamerton.chat.messages import Message
from kamerton.data.shapes.calls import tools_of
from kamerton.data.shapes.faults import BadRowError, Notes, json_type, missing
from kamerton.data.shapes.layout import Layout
from kamerton.data.shapes.prompts import Record, first, list_of, prompt_turns, with_system
from kamerton.data.shapes.turns import answer_turn, check_order, is_turns, turns_of

__all__ = ["preference", "ranking"]

_TRANSCRIPT: Final = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):(?: |(?=\n)|\Z)")
"""Who speaks, in a conversation that is one text, as those of Anthropic's hh-rlhf."""


def preference(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    """A pair of answers, as texts, as turns, or as whole conversations that begin alike.

    OpenAI's hosted form has messages and tools in one object, `input`.
    """
    before = _before(record, layout, notes)
    sides = (layout.chosen, layout.rejected)
    texts = [first(record, names)[1] for names in sides]
    if not before and all(map(_is_transcript, texts)):
        pair: list[tuple[list[Message], type]] = [(_transcript(text), str) for text in texts]
    else:
        pair = [_side(record, layout, names, notes) for names in sides]
    (better, worse), kinds = [turns for turns, _ in pair], {kind for _, kind in pair}
    if len(kinds) > 1:
        notes.add("mixed_types", "one of chosen and rejected is a text, the other a turn; read as two answers")
    shared = _shared(better, worse)
    if shared:
        before = _joined(before, better[:shared])
    if not before:
        raise missing(record, (*layout.prompt, *layout.messages))
    for name, turns in (("chosen", better), ("rejected", worse)):
        if len(turns) != shared + 1:
            what = f"{name} has {len(turns) - shared} turns after the prompt"
            raise BadRowError("wrong_type", f"{what}; expected one, the assistant's")
    said = _judged(before, [better[-1], worse[-1]], ["chosen", "rejected"])
    given = first(record, layout.input)[1]
    return said | {"tools": tools_of(given.get("tools"))} if isinstance(given, Mapping) else said


def ranking(record: Record, layout: Layout, notes: Notes) -> dict[str, Any]:
    """A list of answers; ranks (the lowest is the best) stand beside them or in them, else the best is the first."""
    before = _before(record, layout, notes)
    if not before:
        raise missing(record, (*layout.prompt, *layout.messages))
    column, value = first(record, layout.answers)
    if not column:
        raise missing(record, layout.answers)
    given = list_of(value, column, layout, notes)
    if not isinstance(given, list) or len(given) < 2:
        what = f"a list of {len(given)}" if isinstance(given, list) else json_type(given)
        raise BadRowError("wrong_type", f"the column {column} is {what}; expected a list of two answers or more")
    names = [f"answer {number}" for number in range(1, len(given) + 1)]
    turns = [answer_turn(answer, name, layout, notes) for answer, name in zip(given, names, strict=True)]
    ranks = _ranks(record, layout, given, notes)
    order = sorted(range(len(turns)), key=ranks.__getitem__)
    return _judged(before, [turns[index] for index in order], [names[index] for index in order])


def _before(record: Record, layout: Layout, notes: Notes) -> list[Message]:
    """The turns before the answers: the prompt's, else the conversation's; none where neither is there."""
    if first(record, layout.prompt)[0]:
        return prompt_turns(record, layout, notes)
    column, value = first(record, layout.messages)
    outer, given = first(record, layout.input)
    if not column and isinstance(given, Mapping):
        column, value = f"{outer}.messages", given.get("messages")
    if not column:
        return []
    turns = turns_of(list_of(value, column, layout, notes), f"the column {column}", layout, notes)
    return with_system(record, layout, turns, notes)


def _side(record: Record, layout: Layout, names: tuple[str, ...], notes: Notes) -> tuple[list[Message], type]:
    """The turns of one side of a pair, and whether it was a text."""
    column, value = first(record, names)
    if not column:
        raise missing(record, names)
    if is_turns(value):
        return turns_of(value, f"the column {column}", layout, notes), list
    return [answer_turn(value, f"the column {column}", layout, notes)], str if isinstance(value, str) else list


def _is_transcript(value: Any) -> bool:
    return isinstance(value, str) and (found := _TRANSCRIPT.match(value)) is not None and found[1] == "Human"


def _transcript(text: str) -> list[Message]:
    """The turns of a conversation that is one text."""
    _, *parts = _TRANSCRIPT.split(text)
    return [
        {"role": "user" if speaker == "Human" else "assistant", "content": content}
        for speaker, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def _shared(better: Sequence[Message], worse: Sequence[Message]) -> int:
    """How many turns both sides begin with, short of the last."""
    count = 0
    for one, other in zip(better[:-1], worse[:-1], strict=False):
        if one != other:
            break
        count += 1
    return count


def _joined(before: list[Message], shared: list[Message]) -> list[Message]:
    """The prompt, where the answers' conversations repeat it, or go on from it."""
    if not before or before == shared[-len(before) :]:
        return shared
    if shared == before[-len(shared) :]:
        return before
    if shared[0]["role"] in ("system", "user"):
        raise BadRowError("prompt_differs", "chosen and rejected begin with other turns than the prompt")
    return [*before, *shared]


def _ranks(record: Record, layout: Layout, answers: list[Any], notes: Notes) -> list[float]:
    """A rank for each answer; no two are alike."""
    column, value = first(record, layout.ranks)
    if column:
        ranks = list_of(value, column, layout, notes)
    elif any(isinstance(answer, dict) and "rank" in answer for answer in answers):
        column, ranks = "rank", [answer.get("rank") if isinstance(answer, dict) else None for answer in answers]
    else:
        return [float(number) for number in range(len(answers))]
    if not isinstance(ranks, list) or len(ranks) != len(answers):
        raise BadRowError("wrong_type", f"the column {column} does not have a rank for each of {len(answers)} answers")
    for rank in ranks:
        number = isinstance(rank, (int, float)) and not isinstance(rank, bool)
        if not number or isnan(rank):
            what = "nan" if number else json_type(rank)
            raise BadRowError("wrong_type", f"a rank is {what}; expected numbers, the lowest for the best")
    if len(set(ranks)) < len(ranks):
        raise BadRowError("tied_ranks", f"two answers have one rank ({', '.join(map(str, ranks))}); which is better?")
    return ranks


def _judged(before: list[Message], answers: list[Message], names: list[str]) -> dict[str, Any]:
    """The parts of a ranked row, checked."""
    check_order([*before, answers[0]])
    if not before[-1]["content"].strip():
        raise BadRowError("empty_prompt", "the turn before the answers is empty; expected a question or a task")
    seen: dict[str, str] = {}
    for name, answer in zip(names, answers, strict=True):
        answer.pop("trained", None)
        if not answer["content"].strip() and "tool_calls" not in answer:
            raise BadRowError("empty_answer", f"{name} is empty; expected an answer")
        said = f"{answer['content']}\0{answer.get('tool_calls')}"
        other = seen.setdefault(said, name)
        if other != name:
            raise BadRowError("equal_answers", f"{other} and {name} are equal; nothing can be learned from them")
    return {"messages": tuple(before), "ranked": tuple(answers)}
