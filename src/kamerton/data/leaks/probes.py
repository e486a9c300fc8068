"""What of an item is looked for in the training rows, and what of it is the set's own form letter.

A run of eight words that stands in more than ten different questions of a set is its form: an instruction before each
review, or a preamble of an exam. It is found in any training row made with the same form and tells of no leak, so it
is left out on both sides. What is left are the item's own words. The form is read from the items alone: a training
row more never makes an item clean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from kamerton.data.rows import Row
from kamerton.data.words import HashedWords, distinct, hashed_words, normalised, run_hashes
from kamerton.recipe import LeakSection
from kamerton.records.leaks import LeakPart

__all__ = ["COVERAGE", "LEAST", "SHINGLE", "Probe", "Probes", "runs_of"]

COVERAGE = 8
"""Words of the runs that coverage is counted in, and that a form is told by."""
SHINGLE = 3
"""Words of the runs that similarity is counted in."""
LEAST = 5
"""Fewest words that tell of a leak where they stand inside a longer text. `What is it?` stands in many: a shorter
question is contaminated by an equal question, or together with its answer."""
_ANSWER = 25
"""Fewest own words of an answer whose place in a training text tells of a leak: `The act comes into force fourteen days
after the day of its publication` answers many questions."""
_UNCOVERED = 2
"""Words of a short question that its coverage may leave out."""
_COMMON = 10
"""Most questions of a set that a run of words may stand in before it is form; Brown et al. 2020, appendix C, take the
same number of documents for their 13-grams."""


@dataclass(frozen=True)
class Probe:
    """A text of one or more items, with the pieces of it that are their own."""

    part: LeakPart
    text: str
    """As `normalised` leaves it. Its words are made when they are looked at: as objects they take ten times the
    room."""
    count: int
    """How many words it has; a text without words has one, itself."""
    own: list[tuple[int, int]]
    """Pieces without form, in words: where each begins, and where it ends."""
    items: list[int] = field(default_factory=list)
    """Positions of the items that have it."""

    @property
    def words(self) -> list[str]:
        return self.text.split() if self.count > 1 else [self.text]

    @property
    def own_count(self) -> int:
        return sum(stop - start for start, stop in self.own)

    def whole_runs(self, ngram: int) -> list[tuple[int, int]]:
        """Runs that tell of a leak wherever they stand: each of `ngram` own words, or else the whole text.

        An answer has none: it may quote what everybody quotes.
        """
        if self.part == "answer":
            return []
        long = [(at, at + ngram) for start, stop in self.own for at in range(start, stop - ngram + 1)]
        return long or ([(0, self.count)] if self.count >= LEAST else [])

    def enough(self, options: LeakSection) -> float:
        """Words in runs of eight from which coverage tells of a leak: the share asked for, and as many words as the
        other runs have, or all but two.

        A short question that shares its first ten words with another, and differs in what it is about, is none.
        """
        return max(options.coverage * self.own_count, min(options.ngram, self.own_count - _UNCOVERED))

    @property
    def covers(self) -> bool:
        """Whether coverage tells of a leak."""
        return self.part == "question" or (self.part == "answer" and self.own_count >= _ANSWER)


@dataclass(frozen=True)
class Probes:
    """The probes of a set, each text once."""

    probes: list[Probe]
    form: frozenset[str]
    """Runs of three words inside the set's form."""

    @classmethod
    def of(cls, items: Sequence[Row], ngram: int) -> Probes:
        """The question of each item, its answer, and both together where the question alone says too little."""
        import numpy as np

        texts: dict[tuple[LeakPart, str], list[int]] = defaultdict(list)
        for index, item in enumerate(items):
            question = normalised(item.question)
            if question:
                texts["question", question].append(index)
            if item.text is None and (answer := normalised(item.answer)):
                texts["answer", answer].append(index)
                if 0 < len(question.split()) < LEAST:
                    both = " ".join(f"{question} {answer}".split()[:ngram])
                    texts["question and answer", both].append(index)
        found: list[Probe] = []
        form: set[str] = set()
        for part in get_args(LeakPart):
            chosen = {text: indices for (name, text), indices in texts.items() if name == part}
            hashed = hashed_words(list(chosen))
            counts = np.diff(hashed.starts).tolist()
            for (text, indices), count, own in zip(chosen.items(), counts, _own_words(hashed), strict=True):
                found.append(Probe(part, text, count, own, indices))
                if own != [(0, count)]:
                    form.update(_form_shingles(found[-1]))
        return cls(found, frozenset(form))


def _own_words(found: HashedWords) -> list[list[tuple[int, int]]]:
    """The pieces of each text, in words, that are no form: runs of eight words in more than ten of the texts."""
    import numpy as np

    counts = np.diff(found.starts)
    pieces = [[(0, count)] for count in counts.tolist()]
    runs = run_hashes(found.words, COVERAGE)
    owners = np.repeat(np.arange(len(counts)), counts)[: len(runs)]
    inside = np.arange(len(runs)) + COVERAGE <= found.starts[1:][owners]
    # Each run once a text, and then in how many texts it stands.
    values, numbers = np.unique(runs, return_inverse=True)
    pairs = distinct(numbers[inside] * len(counts) + owners[inside])
    standing = np.bincount(pairs // max(len(counts), 1), minlength=len(values))
    common = inside & (standing[numbers] > _COMMON)
    for owner in np.unique(owners[common]).tolist():
        start, stop = found.starts[owner], found.starts[owner + 1]
        pieces[owner] = _pieces(int(stop - start), np.flatnonzero(common[start:stop]).tolist())
    return pieces


def runs_of(words: Sequence[str], length: int) -> list[str]:
    """Runs of `length` words, in their order."""
    return [" ".join(words[at : at + length]) for at in range(len(words) - length + 1)]


def _pieces(count: int, form: Sequence[int]) -> list[tuple[int, int]]:
    """What is left of `count` words between the runs of form that begin at these places."""
    pieces, start = [], 0
    for place in [*form, count]:
        if place > start:
            pieces.append((start, place))
        start = place + COVERAGE
    return pieces


def _form_shingles(probe: Probe) -> set[str]:
    """Runs of three words that lie in the form."""
    words = probe.words
    edges = [0, *(edge for piece in probe.own for edge in piece), len(words)]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return {run for start, stop in gaps for run in runs_of(words[start:stop], SHINGLE)}
