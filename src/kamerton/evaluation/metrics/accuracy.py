"""Accuracy: the share of answers with the right label."""

from __future__ import annotations

from kamerton.chat.answers import label_of
from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["Accuracy"]


class Accuracy(Metric):
    """1 where the answer's label is the reference's; an answer without a label is wrong."""

    name = "accuracy"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where the reference itself has no label."""
        if observed.answer is None or options.label is None:
            return None
        wanted = label_of(options.label, observed.reference)
        return float(label_of(options.label, observed.answer) == wanted) if wanted else None
