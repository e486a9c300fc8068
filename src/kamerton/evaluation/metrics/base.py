"""What a metric is: a value for each item, and a statistic over items that can be resampled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from kamerton.chat.generation import Score
from kamerton.recipe import EvaluationSection
from kamerton.records.evaluation import ItemResult
from kamerton.stats import SumStatistic, mean_statistic

__all__ = ["Metric", "Observed"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of one item."""

    reference: str
    answer: str | None
    """None where no answer was generated, as for plain texts."""
    score: Score | None
    """None where the reference was not scored."""
    lead: float | None = None
    """How far the best answer is above the next one; None for an item with one answer."""


class Metric(ABC):
    """One way to measure; stateless."""

    name: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    needs: ClassVar[Literal["answer", "score", "pair"]] = "answer"
    """Whether the model must answer the prompt, score the reference, or score several answers."""
    binary: ClassVar[bool] = False
    """The statistic is a share of items: their values are 0 or 1 and it is their mean."""
    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    """Least and greatest value of the statistic; None where it has none."""
    relative: ClassVar[bool] = False
    """The statistic is a logarithm, so that two models are compared as a ratio."""

    @abstractmethod
    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """The value of one item; None where the metric does not apply to it."""

    def statistic(self, items: Sequence[ItemResult]) -> SumStatistic:
        """The metric over items that all have a value, on the scale of its tests: the mean of the values."""
        return mean_statistic([item.values[self.name] or 0.0 for item in items])

    def shown(self, statistic: float) -> float:
        """The metric as it is read, from its value on the scale of the tests."""
        return statistic
