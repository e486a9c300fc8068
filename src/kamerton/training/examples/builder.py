"""What every kind of examples answers: which rows they are made of, and how. It needs a tokenizer, and no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from kamerton.chat import ChatFormat
from kamerton.data.rows import OBJECTIVES, Row, RowKind
from kamerton.ground.errors import DataError
from kamerton.recipe import TrainingSection
from kamerton.training.examples.example import ExampleSet

__all__ = ["Builder", "TextModel"]


class TextModel(Protocol):
    """What must be known of a model to make examples for it; a `LoadedModel` is one."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def format(self) -> ChatFormat: ...
    @property
    def context(self) -> int:
        """Longest sequence, in tokens."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Outputs of the head in place of the vocabulary; empty for a language model."""
        ...


class Builder(ABC):
    """Makes the examples that an objective learns from."""

    kinds: ClassVar[frozenset[RowKind]]
    """Rows that it makes them of."""
    answered: ClassVar[bool] = True
    """Whether the examples hold the answers that are learned."""

    def __init__(self, options: TrainingSection, model: TextModel) -> None:
        """
        Args:
            model: the one that is trained.
        """
        self.options = options
        self.model = model
        self.format = model.format
        self.max_length = min(options.max_length, model.context)

    def examples(self, rows: Sequence[Row], weights: Sequence[float] | None = None) -> ExampleSet:
        """Rows as examples.

        Args:
            weights: how often an epoch shows each row; None shows each once.

        Raises:
            DataError: rows of another kind, or none that leaves anything to learn from.
        """
        for row in rows:
            if row.kind not in self.kinds:
                raise self._wrong_kind(row)
        built = self.build(rows, [1.0] * len(rows) if weights is None else weights)
        if not built.examples and rows:
            raise DataError(
                "no row leaves anything to learn from",
                expected=f"answers within the first {self.max_length} tokens",
                mend="raise training.max_length, or look at kamerton data check",
            )
        return built

    @abstractmethod
    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        """Rows of the right kinds as examples."""

    def _wrong_kind(self, row: Row) -> DataError:
        ours = self.options.objective.kind
        fitting = OBJECTIVES[row.kind]
        return DataError(
            f"the row is {row.kind}, and the objective {ours} learns from {' or '.join(sorted(self.kinds))} rows",
            where=f"{row.file}:{row.line}" if row.file else "",
            expected=f"the objective {' or '.join(fitting)}, or other rows",
            mend=f"set training.objective={fitting[0]}, or map the columns of the file: data.columns={{...}}",
        )
