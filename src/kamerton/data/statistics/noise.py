"""Label noise: one question with different answers.

Rows with equal or nearly equal questions are in one cluster already (`near_duplicate_clusters`), so only rows inside
clusters are compared.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from kamerton.data.rows import Row
from kamerton.data.words import normalised
from kamerton.records.statistics import LabelNoise, NoisePair, Place

__all__ = ["label_noise"]

_NEAR = 0.8
"""Jaccard similarity of word 3-grams from which two prompts ask nearly the same."""
_CROWD = 40
"""Different questions in a cluster from which each is compared with its neighbours only, or the work would be
quadratic."""
_NEIGHBOURS = 5
_SHORT = 5
"""Words up to which an answer is a label: another wording is another answer."""
_SAME = 0.5
"""Share of common words from which two longer answers say the same in other words."""
_PAIRS = 100
"""Pairs that the record holds."""
_EXCERPT = 160
"""Characters of a prompt or answer that the record holds."""

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class _Question:
    """All rows of one normalised question."""

    text: str
    rows: list[Row]
    answers: list[str]
    """Normalised, one a row."""


def label_noise(
    rows: Sequence[Row], clusters: Sequence[int], private: Collection[tuple[str, int]] = frozenset()
) -> LabelNoise:
    """Rows whose question stands elsewhere with another answer.

    Two questions with other numbers in them are two questions, however alike the words are. Answers of more than
    five words are different when fewer than half of their words are common to both. Of rows that are rated, the same
    answer must not be liked and disliked.

    Args:
        rows: those that are used.
        clusters: one id a row.
        private: file and line of rows whose text must not be shown.
    """
    together: dict[int, list[Row]] = {}
    answered = 0
    for row, cluster in zip(rows, clusters, strict=True):
        if row.kind in ("conversation", "rated"):
            answered += 1
            together.setdefault(cluster, []).append(row)
    equal: set[int] = set()
    near: set[int] = set()
    pairs: list[NoisePair] = []
    found = crowded = 0
    for members in together.values():
        if len(members) < 2:
            continue
        questions = _questions(members)
        crowded += len(members) if len(questions) > _CROWD else 0
        for sort, one, other, similarity in _contradictions(questions):
            found += 1
            (equal if sort == "equal" else near).update((id(one), id(other)))
            if len(pairs) < _PAIRS:
                pairs.append(_pair(sort, one, other, similarity, private))
        for question in questions:
            equal.update(_contradicted(question))
    return LabelNoise(
        rows=answered,
        equal_rows=len(equal),
        near_rows=len(near - equal),
        share=len(equal) / answered if answered else None,
        pairs=pairs,
        pairs_found=found,
        crowded=crowded,
    )


def _questions(rows: Sequence[Row]) -> list[_Question]:
    """The rows by question and system turn, in the order of their normalised texts."""
    found: dict[tuple[str, str], _Question] = {}
    for row in rows:
        system = next((message["content"] for message in row.prompt if message["role"] == "system"), "")
        text = normalised(row.question)
        question = found.setdefault((text, system), _Question(text, [], []))
        question.rows.append(row)
        question.answers.append(normalised(row.answer) + _rating(row))
    return [found[key] for key in sorted(found)]


def _rating(row: Row) -> str:
    return "" if row.liked is None else f"\x00{row.liked}"


def _contradicted(question: _Question) -> Iterator[int]:
    """Ids of the rows of one question that another row of it contradicts."""
    distinct = dict(zip(question.answers, question.rows, strict=True))
    if len(distinct) < 2:
        return
    few = list(distinct)[:_CROWD]
    for row, answer in zip(question.rows, question.answers, strict=True):
        if any(_differ(answer, other) for other in few if other != answer):
            yield id(row)


def _contradictions(questions: Sequence[_Question]) -> Iterator[tuple[str, Row, Row, float]]:
    """One pair for each question with different answers, and for each pair of nearly equal questions."""
    for question in questions:
        firsts = dict(zip(reversed(question.answers), reversed(question.rows), strict=True))
        few = sorted(firsts.items(), key=lambda pair: (pair[1].file, pair[1].line))[:_CROWD]
        pairs = ((row, other) for (one, row), (two, other) in combinations(few, 2) if _differ(one, two))
        if (pair := next(pairs, None)) is not None:
            yield "equal", *pair, 1.0
    shingles: dict[int, frozenset[tuple[str, ...]]] = {}
    for one, other in _candidates(len(questions)):
        first, second = questions[one], questions[other]
        if first.text == second.text or _NUMBER.findall(first.text) != _NUMBER.findall(second.text):
            continue
        similarity = _jaccard(*(shingles.setdefault(place, _grams(questions[place].text)) for place in (one, other)))
        if similarity >= _NEAR and _differ(first.answers[0], second.answers[0]):
            yield "near", first.rows[0], second.rows[0], similarity


def _candidates(count: int) -> Iterator[tuple[int, int]]:
    if count <= _CROWD:
        yield from combinations(range(count), 2)
        return
    for one in range(count):
        for other in range(one + 1, min(one + 1 + _NEIGHBOURS, count)):
            yield one, other


def _grams(text: str) -> frozenset[tuple[str, ...]]:
    words = text.split(" ")
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset((tuple(words),))


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _differ(one: str, other: str) -> bool:
    """Whether two normalised answers say different things."""
    first, _, liked = one.partition("\x00")
    second, _, disliked = other.partition("\x00")
    if liked or disliked:
        return first == second and liked != disliked
    if first == second:
        return False
    words, others = set(first.split(" ")), set(second.split(" "))
    if min(len(words), len(others)) <= _SHORT:
        return True
    return len(words & others) < _SAME * min(len(words), len(others))


def _pair(sort: str, one: Row, other: Row, similarity: float, private: Collection[tuple[str, int]]) -> NoisePair:
    shown = not {(one.file, one.line), (other.file, other.line)} & set(private)
    return NoisePair(
        sort="equal" if sort == "equal" else "near",
        similarity=similarity,
        first=Place(file=one.file, line=one.line),
        second=Place(file=other.file, line=other.line),
        prompt=_excerpt(one.question) if shown else "",
        answers=[_excerpt(one.answer), _excerpt(other.answer)] if shown else [],
    )


def _excerpt(text: str) -> str:
    short = " ".join(text[: 4 * _EXCERPT].split())
    return short if len(short) <= _EXCERPT else short[: _EXCERPT - 1].rstrip() + "…"
