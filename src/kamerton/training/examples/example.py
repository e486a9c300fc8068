"""What a training learns from: token sequences that are judged alone or together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kamerton.chat import IGNORED
from kamerton.data.rows import Row

__all__ = ["Example", "ExampleIds", "ExampleSet", "TokenSequence"]


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """T tokens; `labels` are the ids where they are learned and -100 elsewhere, not shifted. Both are int32."""

    ids: NDArray[np.int32]
    labels: NDArray[np.int32]

    @classmethod
    def of(cls, ids: Sequence[int], labels: Sequence[int]) -> TokenSequence:
        return cls(np.asarray(ids, dtype=np.int32), np.asarray(labels, dtype=np.int32))

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def first_learned(self) -> int:
        """Place of the first learned token; the length where there is none."""
        learned = np.flatnonzero(self.labels != IGNORED)
        return int(learned[0]) if len(learned) else self.length

    def part(self, begin: int, end: int) -> TokenSequence:
        """The tokens from `begin` up to `end`."""
        return TokenSequence(self.ids[begin:end], self.labels[begin:end])

    @property
    def trained(self) -> int:
        """Learned tokens that have a token before them."""
        return int(np.count_nonzero(self.labels[1:] != IGNORED))


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One or more sequences that an objective judges together: one answer, or a better and a worse one."""

    id: str
    sequences: tuple[TokenSequence, ...]
    weight: float = 1.0
    """How often an epoch shows it, on the average."""
    value: float = 0.0
    """What the objective knows of it beside its tokens: a class, whether it is liked, an advantage."""

    @property
    def length(self) -> int:
        """Tokens of all its sequences."""
        return sum(sequence.length for sequence in self.sequences)

    @property
    def trained(self) -> int:
        """Learned tokens of all its sequences."""
        return sum(sequence.trained for sequence in self.sequences)


class ExampleIds:
    """Ids of one part: the row's hash, and a number, because rows may say the same."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def next(self, row: Row) -> str:
        """The id of one more example of a row."""
        number = self._given[row.row_hash]
        self._given[row.row_hash] += 1
        return f"{row.row_hash}:{number}"


@dataclass(frozen=True)
class ExampleSet:
    """The examples of one part, and what happened on the way."""

    examples: list[Example]
    cut: list[str] = field(default_factory=list)
    """Row hashes of rows longer than `max_length`; they are learned from as far as they go."""
    masked: list[str] = field(default_factory=list)
    """Row hashes of rows with nothing left to learn from; they are left out."""
    notes: list[str] = field(default_factory=list)
    """What is worth telling of the rows before training, a sentence each."""

    @property
    def tokens(self) -> int:
        """Tokens of an average epoch."""
        return round(sum(example.weight * example.length for example in self.examples))

    @property
    def trained_tokens(self) -> int:
        """Tokens that an average epoch learns."""
        return round(sum(example.weight * example.trained for example in self.examples))
