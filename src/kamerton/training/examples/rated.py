"""Examples of answers that are each liked or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kamerton.data.rows import Row, RowKind
from kamerton.recipe import KtoObjective
from kamerton.training.examples.answered import answered
from kamerton.training.examples.builder import Builder
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet

__all__ = ["Rated"]

_BALANCED = (3 / 4, 4 / 3)
"""Weighted liked answers to weighted disliked ones: the paper advises 1 to 4/3 (section 4.2); little less is told."""


class Rated(Builder):
    """One example a row; its value is 1 where the answer is liked, else 0."""

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"rated"})

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        built = ExampleSet([])
        ids = ExampleIds()
        for row, weight in zip(rows, weights, strict=True):
            answer = (row.messages or ())[-1]
            found = answered(self.format, row.prompt, (answer,), row.tools, self.max_length)
            if not found.teaches:
                built.masked.append(row.row_hash)
                continue
            if found.cut:
                built.cut.append(row.row_hash)
            built.examples.append(Example(ids.next(row), found.sequences, weight, value=float(bool(row.liked))))
        built.notes.extend(self._balance(built.examples))
        return built

    def _balance(self, examples: Sequence[Example]) -> list[str]:
        """What the paper would say of the numbers of liked and disliked answers."""
        chosen = self.options.objective
        assert isinstance(chosen, KtoObjective)
        liked = sum(example.weight for example in examples if example.value)
        disliked = sum(example.weight for example in examples if not example.value)
        counted = f"{liked:g} answers are liked and {disliked:g} are not"
        if not liked or not disliked:
            return [f"{counted}: kto then learns only what to {'say' if liked else 'avoid'}; give it both kinds"]
        low, high = _BALANCED
        share = chosen.liked_weight * liked / (chosen.disliked_weight * disliked)
        if low <= share <= high:
            return []
        advised = chosen.liked_weight * liked / disliked
        return [
            f"{counted}: weighted {share:.2f} to 1, where 1 to 1.33 is advised; "
            f"training.objective.disliked_weight={advised:.3g} makes them even"
        ]
