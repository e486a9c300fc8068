"""Exact match: the share of answers that are the reference."""

from __future__ import annotations

from kamerton.chat.answers import same_answer
from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["ExactMatch"]


class ExactMatch(Metric):
    """1 where answer and reference are equal, but for white space and the way that letters are composed."""

    name = "exact_match"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where no answer was generated."""
        if observed.answer is None:
            return None
        return float(same_answer(observed.answer, observed.reference))
