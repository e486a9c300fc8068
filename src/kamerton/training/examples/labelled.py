"""Examples of prompts that each have a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from kamerton.data.labels import asked, label_of_row
from kamerton.data.rows import Row, RowKind
from kamerton.recipe import ClassificationObjective
from kamerton.training.examples.builder import Builder
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet, TokenSequence

__all__ = ["Labelled"]


class Labelled(Builder):
    """One example a row; its value is the number of its label."""

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"text", "conversation"})
    answered: ClassVar[bool] = False

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        assert isinstance(self.options.objective, ClassificationObjective)
        built = ExampleSet([])
        ids = ExampleIds()
        counts: Counter[str] = Counter()
        numbers = {label: number for number, label in enumerate(self.model.labels)}
        for row, weight in zip(rows, weights, strict=True):
            label = label_of_row(row, self.options.objective.label)
            if label not in numbers:  # of the validation part; the head has the labels of the training part
                built.masked.append(row.row_hash)
                continue
            prompt = self.format.prompt_ids(asked(row), tools=row.tools)
            if len(prompt) > self.max_length:
                built.cut.append(row.row_hash)
            # All tokens of the prompt are judged: they count as learned, and none is predicted.
            sequence = TokenSequence.of(prompt[: self.max_length], prompt[: self.max_length])
            built.examples.append(Example(ids.next(row), (sequence,), weight, value=float(numbers[label])))
            counts[label] += 1
        shown = ", ".join(f"{label} {counts[label]}" for label in self.model.labels)
        built.notes.append(f"{len(self.model.labels)} labels: {shown}")
        return built
