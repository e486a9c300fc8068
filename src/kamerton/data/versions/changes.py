"""What differs between two versions: rows that came, rows that went, and rows that are another version of a row.

A removed and an added row count as one changed row when they have the same prompt, or stand at the same line of the
same file and share a quarter of their words, or are of some length and share six words in ten.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Final

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.data.versions.spans import Span, word_spans
from kamerton.ground.digests import canonical_json

__all__ = ["Change", "Diff", "FieldChange", "pair_rows"]

_LINE_LIKENESS: Final = 0.25
_LIKENESS: Final = 0.6
_WORDS_TO_TELL: Final = 8
"""Words from which likeness alone tells: short rows made by one pattern differ in one word."""
_SKETCH: Final = 16
"""Word pairs a row that candidates for its other version are found by."""
_CROWD: Final = 50
"""Rows with the same word pair, or the same prompt, above which it tells none of them apart."""
_WORD: Final = re.compile(r"\w+")
_LABELS: Final = ("liked", "tools", "category", "group", "task", "time", "augmented_from")


@dataclass(frozen=True)
class FieldChange:
    """A part of a row that changed, such as `text`, `category` or `messages[1].content`."""

    field: str
    spans: list[Span]


@dataclass(frozen=True)
class Change:
    """A row and what became of it."""

    before: Row
    after: Row

    @property
    def fields(self) -> list[FieldChange]:
        """The parts that changed, each with the words that did."""
        found = [*_turns("messages", self.before.messages or (), self.after.messages or ())]
        found += _turns("ranked", self.before.ranked, self.after.ranked)
        pairs = [("text", self.before.text or "", self.after.text or "")]
        pairs += [(name, _shown(getattr(self.before, name)), _shown(getattr(self.after, name))) for name in _LABELS]
        return found + [FieldChange(name, word_spans(old, new)) for name, old, new in pairs if old != new]


@dataclass(frozen=True)
class Diff:
    """What leads from one version to another; each list is sorted by row hash."""

    added: list[Row]
    """Rows that only the second version has."""
    removed: list[Row]
    """Rows that only the first version has."""
    changed: list[Change]
    """Rows of the first version that stand otherwise in the second."""

    @property
    def counts(self) -> Counter[str]:
        """How many copies of each row, by its hash, the second version has more (or, below zero, fewer)."""
        counts = Counter(row.row_hash for row in (*self.added, *(change.after for change in self.changed)))
        counts.subtract(row.row_hash for row in (*self.removed, *(change.before for change in self.changed)))
        return counts


def pair_rows(removed: Sequence[Row], added: Sequence[Row]) -> Diff:
    """Find the removed and added rows that are versions of one another; time grows with the number of rows."""
    old = dict(enumerate(sorted(removed, key=lambda row: row.row_hash)))
    new = dict(enumerate(sorted(added, key=lambda row: row.row_hash)))
    changed: list[Change] = []
    for candidates in (_same_prompt, _same_line, _alike):
        for _, one, other in sorted(candidates(old, new), key=lambda found: (-found[0], found[1], found[2])):
            if one in old and other in new:
                changed.append(Change(old.pop(one), new.pop(other)))
    changed.sort(key=lambda change: change.before.row_hash)
    return Diff(list(new.values()), list(old.values()), changed)


_Candidates = Iterator[tuple[float, int, int]]


def _same_prompt(old: dict[int, Row], new: dict[int, Row]) -> _Candidates:
    places = _places(new, lambda row: (row.kind, row.question))
    for key, ours in _places(old, lambda row: (row.kind, row.question)).items():
        theirs = places.get(key, [])
        if len(ours) * len(theirs) > _CROWD**2:
            yield from ((0.0, one, other) for one, other in zip(ours, theirs, strict=False))
        elif theirs:
            words = {other: _words(new[other]) for other in theirs}
            for one in ours:
                mine = _words(old[one])
                yield from ((_likeness(mine, words[other]), one, other) for other in theirs)


def _same_line(old: dict[int, Row], new: dict[int, Row]) -> _Candidates:
    places = _places(new, lambda row: (row.file, row.line))
    for place, ours in _places(old, lambda row: (row.file, row.line)).items():
        for one in ours if place[1] else ():
            for other in places.get(place, [])[:_CROWD]:
                likeness = _likeness(_words(old[one]), _words(new[other]))
                if likeness >= _LINE_LIKENESS:
                    yield likeness, one, other


def _alike(old: dict[int, Row], new: dict[int, Row]) -> _Candidates:
    places: defaultdict[int, list[int]] = defaultdict(list)
    words = {}
    for other, row in new.items():
        words[other] = _words(row)
        for mark in _sketch(row):
            places[mark].append(other)
    for one, row in old.items():
        votes: Counter[int] = Counter()
        for mark in _sketch(row):
            if len(places.get(mark, ())) <= _CROWD:
                votes.update(places.get(mark, ()))
        mine = _words(row)
        for other, _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))[:5]:
            likeness = _likeness(mine, words[other])
            if likeness >= _LIKENESS and max(mine.total(), words[other].total()) >= _WORDS_TO_TELL:
                yield likeness, one, other


def _places(
    rows: dict[int, Row], key: Callable[[Row], tuple[str, str | int]]
) -> dict[tuple[str, str | int], list[int]]:
    places: defaultdict[tuple[str, str | int], list[int]] = defaultdict(list)
    for number, row in rows.items():
        places[key(row)].append(number)
    return places


def _words(row: Row) -> Counter[str]:
    return Counter(_WORD.findall("\n".join(row.texts).lower()))


def _likeness(first: Counter[str], second: Counter[str]) -> float:
    """Dice's coefficient of the two multisets of words: 1 for the same words, 0 for none in common."""
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 0.0


def _sketch(row: Row) -> list[int]:
    """The smallest hashes of the row's word pairs: two rows share as many of them as they share pairs."""
    words = _WORD.findall("\n".join(row.texts).lower())
    pairs = {f"{one} {other}" for one, other in pairwise(words)} or set(words)
    return sorted(zlib.crc32(pair.encode("utf-8", "surrogatepass")) for pair in pairs)[:_SKETCH]


def _turns(name: str, before: Sequence[Message], after: Sequence[Message]) -> Iterator[FieldChange]:
    """Changes turn by turn; a turn that was put in or left out does not make those after it look changed."""
    old, new = [canonical_json(turn) for turn in before], [canonical_json(turn) for turn in after]
    for step, start, stop, new_start, new_stop in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if step == "equal":
            continue
        numbers = zip_longest(range(start, stop), range(new_start, new_stop))
        for one, other in numbers:
            place = f"{name}[{one if other is None else other}]"
            yield from _turn(place, {} if one is None else before[one], {} if other is None else after[other])


def _turn(place: str, before: Message | dict[str, object], after: Message | dict[str, object]) -> Iterator[FieldChange]:
    for key in dict.fromkeys((*before, *after)):
        old, new = _shown(before.get(key)), _shown(after.get(key))
        if old != new:
            yield FieldChange(f"{place}.{key}", word_spans(old, new))


def _shown(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
