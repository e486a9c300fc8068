"""Examples of a better and a worse answer to one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kamerton.data.rows import Row, RowKind
from kamerton.training.examples.answered import answered
from kamerton.training.examples.builder import Builder
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet

__all__ = ["Pairs"]


class Pairs(Builder):
    """Examples of two sequences: the best answer of a row, and one of the others.

    A row with more than two answers gives a pair for each answer that is not the best.
    """

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"ranked"})

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        built = ExampleSet([])
        ids = ExampleIds()
        for row, weight in zip(rows, weights, strict=True):
            best, *others = row.ranked
            pairs = [answered(self.format, row.prompt, (best, other), row.tools, self.max_length) for other in others]
            for pair in pairs:
                if pair.teaches:
                    built.examples.append(Example(ids.next(row), pair.sequences, weight))
            if any(pair.cut and pair.teaches for pair in pairs):
                built.cut.append(row.row_hash)
            if not all(pair.teaches for pair in pairs):
                built.masked.append(row.row_hash)
        return built
