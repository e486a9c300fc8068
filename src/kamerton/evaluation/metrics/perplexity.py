"""Perplexity: how surprised the model is by the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection
from kamerton.records.evaluation import ItemResult
from kamerton.stats import FloatArray, SumStatistic

__all__ = ["Perplexity"]


class Perplexity(Metric):
    """exp(summed negative log-likelihood / tokens) over all tokens of all items (Jelinek et al. 1977).

    A long item weighs more than a short one. Tests and intervals work on its logarithm, so that a difference of two
    perplexities is a ratio; it compares only models that cut the references into the same tokens.
    """

    name = "perplexity"
    better = "lower"
    needs = "score"
    bounds = None
    relative = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """The item's own perplexity; None where it has no scored token."""
        if observed.score is None or observed.score.tokens == 0:
            return None
        return math.exp(observed.score.nll / observed.score.tokens)

    def statistic(self, items: Sequence[ItemResult]) -> SumStatistic:
        """Log perplexity: nats over tokens."""
        return SumStatistic(np.array([[item.nll or 0.0, item.tokens or 0] for item in items], dtype=float), _ratio)

    def shown(self, statistic: float) -> float:
        """Perplexity from its logarithm."""
        return math.exp(statistic)


def _ratio(sums: FloatArray) -> FloatArray:
    quotient: FloatArray = sums[:, 0] / sums[:, 1]
    return quotient
