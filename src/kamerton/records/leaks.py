"""What is remembered of a search for test items in training rows, and of how well the search itself did."""

from __future__ import annotations

from typing import Literal

from kamerton.records.base import Part, Record

__all__ = ["CanaryResult", "ContaminatedItem", "LeakMatch", "LeakMethod", "LeakPart", "LeakReport", "LeakSet"]

LeakMethod = Literal["exact", "ngram", "coverage", "near", "embedding"]
"""`exact`: the whole question; `ngram`: a run of words; `coverage`: most of the words in runs of eight; `near`: Jaccard
similarity of 3-grams; `embedding`: cosine similarity."""
LeakPart = Literal["question", "answer", "question and answer"]
CanarySort = Literal["exact", "near", "paraphrased", "none"]


class LeakMatch(Part):
    """A training row that holds an item."""

    method: LeakMethod
    part: LeakPart
    """What of the item the row holds."""
    file: str
    line: int
    """Where the training row stands."""
    score: float
    """1 for `exact`; share of the part's own words for `ngram` and `coverage`; else the similarity."""
    text: str
    """The longest words in common that were found, or the beginning of the training row's question."""


class ContaminatedItem(Part):
    """A test item that stands in the training rows."""

    file: str
    line: int
    row_hash: str
    question: str
    """The beginning of it."""
    matches: list[LeakMatch]
    """The best match of each method and part, the surest method first."""


class CanaryResult(Part):
    """Planted leaks of one sort, or planted rows that are no leaks (`none`), and how many were called leaks."""

    sort: CanarySort
    planted: int
    found: int
    share: float | None
    """Recall; of `none`, the false-positive rate; None where nothing was planted."""
    low: float | None
    """Wilson interval at 95 %; None with fewer than two."""
    high: float | None


class LeakSet(Part):
    """One set of items against the training rows."""

    name: str
    items: int
    contaminated: int
    leaking_rows: int
    """Training rows that hold an item of the set."""
    by_method: dict[LeakMethod, int]
    """Items that each method found; one item counts for each."""
    form_items: int
    """Items with words of the set's own form, which were left out of the comparison."""
    short_items: int
    """Items whose question has too few words of its own to be found inside a longer text."""
    found: list[ContaminatedItem]
    """Every contaminated item."""
    canaries: list[CanaryResult]
    own: bool = False
    """Whether the set was cut off from the training rows' own sources, so that both have one form."""
    dropped: bool = False
    """Whether the training rows that hold its items were taken out after the search."""

    @property
    def counted(self) -> int:
        """Contaminated items that count for the verdict.

        Rows of one source share phrases, and the split has kept alike ones together as it was told; of its parts count
        those that are equal to a training row all the same.
        """
        if self.dropped:
            return 0
        if not self.own:
            return self.contaminated
        return sum(any(match.method == "exact" for match in item.matches) for item in self.found)

    @property
    def share(self) -> float:
        """Contaminated items in all items; 0 for an empty set."""
        return self.contaminated / self.items if self.items else 0.0


class LeakReport(Record):
    """Sets of items against one set of training rows."""

    kind: Literal["leak_report"] = "leak_report"
    training_rows: int
    training_fingerprint: str
    """Digest of the row hashes of the training rows."""
    ngram: int
    coverage: float
    similarity: float
    embeddings: str
    embedding_similarity: float
    seed: int
    sets: list[LeakSet]
