"""Form: the share of answers that have the form asked for."""

from __future__ import annotations

from kamerton.chat.answers import has_form
from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["Form"]


class Form(Metric):
    """1 where the whole answer, without surrounding space, matches `evaluation.form`."""

    name = "form"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where no answer was generated."""
        if observed.answer is None or options.form is None:
            return None
        return float(has_form(options.form, observed.answer))
