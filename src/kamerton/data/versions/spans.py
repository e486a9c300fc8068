"""The words that changed between two texts."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Span", "word_spans"]

_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_LIMIT: Final = 4_000_000
"""Pairs of words above which what differs counts as replaced: difflib may take a step for each pair."""


@dataclass(frozen=True)
class Span:
    """A piece of text that both have, or that only the first (`removed`) or the second (`added`) has."""

    op: Literal["same", "removed", "added"]
    text: str


def word_spans(before: str, after: str) -> list[Span]:
    """The two texts as one list of spans.

    `same` and `removed` joined are the first text, `same` and `added` the second. Words, runs of spaces and single
    signs are never parted. Words that were replaced one after the other are one removed and one added span.
    """
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    spans: list[Span] = []
    _add(spans, "same", old[:head])
    if len(old_middle) * len(new_middle) > _LIMIT:
        steps = [("replace", 0, len(old_middle), 0, len(new_middle))]
    else:
        matcher = difflib.SequenceMatcher(None, old_middle, new_middle, autojunk=False)
        steps = matcher.get_opcodes()  # type: ignore[assignment]
    for step, old_start, old_stop, new_start, new_stop in steps:
        if step == "equal":
            _add(spans, "same", old_middle[old_start:old_stop])
        else:
            _add(spans, "removed", old_middle[old_start:old_stop])
            _add(spans, "added", new_middle[new_start:new_stop])
    _add(spans, "same", old[len(old) - tail :])
    return _joined(spans)


def _common(first: list[str], second: list[str]) -> int:
    """How many words at the beginning are the same."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count


def _add(spans: list[Span], op: Literal["same", "removed", "added"], words: list[str]) -> None:
    text = "".join(words)
    if text and spans and spans[-1].op == op:
        spans[-1] = Span(op, spans[-1].text + text)
    elif text:
        spans.append(Span(op, text))


def _joined(spans: list[Span]) -> list[Span]:
    """The spans with the blanks between two replaced words replaced along with them, which reads as one change."""
    found: list[Span] = []
    place = 0
    while place < len(spans):
        here, following = spans[place], spans[place + 1 : place + 3]
        if here.op == "same" and here.text.isspace() and _replaces(found[-2:]) and _replaces(following):
            pairs = zip(found[-2:], following, strict=True)
            found[-2:] = [Span(one.op, one.text + here.text + other.text) for one, other in pairs]
            place += 3
        else:
            found.append(here)
            place += 1
    return found


def _replaces(spans: list[Span]) -> bool:
    return [span.op for span in spans] == ["removed", "added"]
