"""Examples of prompts that the model answers itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kamerton.chat import IGNORED
from kamerton.data.rows import Row, RowKind
from kamerton.recipe import GrpoObjective, TrainingSection
from kamerton.training.examples.builder import Builder, TextModel
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet, TokenSequence

__all__ = ["Prompts"]


class Prompts(Builder):
    """One example a row, of which nothing is learned yet. Rows are remembered: answers are judged by them."""

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"conversation"})
    answered: ClassVar[bool] = False

    def __init__(self, options: TrainingSection, model: TextModel) -> None:
        super().__init__(options, model)
        self.rows: dict[str, Row] = {}
        """By example id."""

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        assert isinstance(self.options.objective, GrpoObjective)
        built, ids = ExampleSet([]), ExampleIds()
        for row, weight in zip(rows, weights, strict=True):
            prompt = self.format.prompt_ids(row.prompt, tools=row.tools)
            if len(prompt) + self.options.objective.max_new_tokens > self.max_length:
                built.masked.append(row.row_hash)
                continue
            name = ids.next(row)
            self.rows[name] = row
            built.examples.append(Example(name, (TokenSequence.of(prompt, [IGNORED] * len(prompt)),), weight))
        return built
