"""Exact match: the share of answers that are the reference."""

from __future__ import annotations

import unicodedata

from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["ExactMatch"]


class ExactMatch(Metric):
    """1 where answer and reference are equal, but for white space and the way that letters are composed.

    Surrounding space is cut, runs of white space (line ends too) become one space, and both are brought to Unicode
    NFC, in which `ą` is one letter however it was typed. Case and punctuation count.
    """

    name = "exact_match"
    binary = True

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where no answer was generated."""
        if observed.answer is None:
            return None
        return float(_normal(observed.answer) == _normal(observed.reference))


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
