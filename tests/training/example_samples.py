"""Examples as plain lists, to compare with what was written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from kamerton.chat import ChatFormat
from kamerton.data.rows import Row
from kamerton.recipe import TrainingSection
from kamerton.training.objectives import build_objective


@dataclass
class Plain:
    """An example of one sequence."""

    id: str
    ids: list[int]
    labels: list[int]
    weight: float


@dataclass
class PlainSet:
    examples: list[Plain]
    cut: list[str]
    masked: list[str]
    tokens: int
    trained_tokens: int


def build_examples(
    rows: Sequence[Row],
    chat: ChatFormat,
    objective: str,
    max_length: int,
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    **options: Any,
) -> PlainSet:
    """The examples of an objective, whose sequences are no longer than `max_length`."""
    training = TrainingSection(objective={"kind": objective, **options}, max_length=max_length, seed=seed)
    loaded: Any = SimpleNamespace(format=chat, context=1 << 20)
    built = build_objective(training, loaded).examples(rows, weights)
    plain = [
        Plain(example.id, example.sequences[0].ids.tolist(), example.sequences[0].labels.tolist(), example.weight)
        for example in built.examples
    ]
    return PlainSet(plain, built.cut, built.masked, built.tokens, built.trained_tokens)
