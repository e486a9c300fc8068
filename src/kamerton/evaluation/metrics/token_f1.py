"""Token-F1: how many words answer and reference share."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from kamerton.evaluation.metrics.base import Metric, Observed
from kamerton.recipe import EvaluationSection

__all__ = ["TokenF1"]

_WORD = re.compile(r"\w+")


class TokenF1(Metric):
    """Harmonic mean of precision and recall over the words, as bags (Rajpurkar et al. 2016, SQuAD).

    Departs from SQuAD's script, which is made for English: words are runs of Unicode letters, digits and `_`, in NFC
    and case-folded, and no articles are dropped. Two answers without words agree (1); one without words scores 0.
    """

    name = "token_f1"

    def per_item(self, observed: Observed, options: EvaluationSection) -> float | None:
        """None where no answer was generated."""
        if observed.answer is None:
            return None
        answer, reference = _words(observed.answer), _words(observed.reference)
        if not answer or not reference:
            return float(answer == reference)
        shared = (answer & reference).total()
        return 2 * shared / (answer.total() + reference.total())


def _words(text: str) -> Counter[str]:
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return Counter(_WORD.findall(folded))
