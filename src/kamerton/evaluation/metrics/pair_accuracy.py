"""Pair accuracy: how often a model prefers the answer that people prefer."""

from __future__ import annotations

from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["PairAccuracy"]


class PairAccuracy(Metric):
    """1 where the best answer of a row is above all others: in the score of a reward model, else in likelihood.

    The likelihood is the mean log-probability of a token, so that a long answer is not worse for its length. A tie is
    no preference (0). Half of all is what chance gives with two answers.
    """

    name = "pair_accuracy"
    needs = "pair"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where the item has one answer."""
        return None if observed.lead is None else float(observed.lead > 0)
