"""Form: the share of answers that have the form asked for."""

from __future__ import annotations

import re

from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["Form"]


class Form(Metric):
    """1 where the whole answer, without surrounding space, matches `evaluation.form`.

    `.` does not match a line end, and `^` and `$` stand for the ends of the answer: a form of several lines writes
    its line ends out, or switches with `(?s)` or `(?m)`.
    """

    name = "form"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where no answer was generated."""
        if observed.answer is None or options.form is None:
            return None
        return float(re.fullmatch(options.form, observed.answer.strip()) is not None)
