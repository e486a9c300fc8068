"""The verdict on one training row and one text of an item, by the words themselves.

This is the definition of a leak; `LeakIndex` only says which pairs are worth a look. The verdict depends on the row,
the text and the set's form alone, not on the other training rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kamerton.data.leaks.probes import COVERAGE, LEAST, SHINGLE, Probe, runs_of
from kamerton.data.rows import Row
from kamerton.data.words import normalised
from kamerton.recipe import LeakSection
from kamerton.records.leaks import LeakMethod

__all__ = ["Found", "TrainingText", "judged"]

_TOUCHED = 0.2
"""Least share of a text's own words in the runs found: a long text that shares one quotation is no leak. Touvron et al.
2023 (Llama 2, appendix A.6) call an item clean below this share."""


@dataclass(frozen=True)
class Found:
    """One way in which a training row holds a text."""

    method: LeakMethod
    score: float
    text: str


class TrainingText:
    """The words of a training row, and the runs of them, made once for all texts it is compared with."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._runs: dict[int, frozenset[str]] = {}

    @cached_property
    def question(self) -> str:
        return normalised(self._row.question)

    @cached_property
    def words(self) -> list[str]:
        """Of all its turns, one after another."""
        return normalised("\n".join(self._row.texts)).split()

    @cached_property
    def shingles(self) -> frozenset[str]:
        """Runs of three words of the question."""
        return frozenset(runs_of(self.question.split(), SHINGLE))

    def runs(self, length: int) -> frozenset[str]:
        if length not in self._runs:
            self._runs[length] = frozenset(runs_of(self.words, length))
        return self._runs[length]

    @cached_property
    def shown_runs(self) -> frozenset[str]:
        """Runs of `COVERAGE` words of all that is not the row's own answer: a text, a prompt, a document in it."""
        row = self._row
        shown = row.texts if row.text is not None else [message["content"] for message in row.prompt]
        return frozenset(runs_of(normalised("\n".join(shown)).split(), COVERAGE))


def judged(probe: Probe, training: TrainingText, form: frozenset[str], options: LeakSection) -> list[Found]:
    """The ways in which a training row holds a text, the surest first; empty for none."""
    if probe.part == "question" and probe.text == training.question:
        return [Found("exact", 1.0, probe.text)]
    found = []
    words = probe.words
    hits = [run for run in probe.whole_runs(options.ngram) if _run(words, run) in training.runs(run[1] - run[0])]
    share = 1.0 if hits == [(0, probe.count)] else _covered(hits) / max(probe.own_count, 1)
    if share >= _TOUCHED:
        found.append(Found("ngram", share, _longest(words, hits)))
    if probe.covers:
        pieces = [(at, at + COVERAGE) for start, stop in probe.own for at in range(start, stop - COVERAGE + 1)]
        # Two questions may have one answer, as all letters to one desk have: that tells of no leak. An answer in a
        # text or a prompt does.
        runs = training.shown_runs if probe.part == "answer" else training.runs(COVERAGE)
        hits = [run for run in pieces if _run(words, run) in runs]
        covered = _covered(hits)
        if hits and covered >= probe.enough(options):
            found.append(Found("coverage", covered / probe.own_count, _longest(words, hits)))
    if probe.part == "question" and probe.own_count >= LEAST:
        own = {run for start, stop in probe.own for run in runs_of(words[start:stop], SHINGLE)}
        others = training.shingles - form if form else training.shingles
        common = len(own & others)
        union = len(own) + len(others) - common
        if own and common >= options.similarity * union:
            found.append(Found("near", common / union, training.question))
    return found


def _covered(runs: Sequence[tuple[int, int]]) -> int:
    """Words in runs that are sorted by their beginnings."""
    total = reached = 0
    for start, stop in runs:
        total += stop - max(start, reached)
        reached = stop
    return total


def _run(words: Sequence[str], piece: tuple[int, int]) -> str:
    return " ".join(words[piece[0] : piece[1]])


def _longest(words: Sequence[str], runs: Sequence[tuple[int, int]]) -> str:
    """The longest piece that runs one after the other make."""
    best = (0, 0)
    start, reached = runs[0][0], runs[0][1]
    for first, stop in runs:
        if first > reached:
            start = first
        reached = stop
        if reached - start > best[1] - best[0]:
            best = (start, reached)
    return _run(words, best)
