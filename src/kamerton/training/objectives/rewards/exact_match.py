"""Exact match: 1 where the answer is the row's own, by the definition of the metric `exact_match`."""

from __future__ import annotations

from kamerton.chat.answers import same_answer
from kamerton.training.objectives.rewards.base import Judged

__all__ = ["exact_match"]


def exact_match(judged: Judged) -> float:
    return float(same_answer(judged.answer, judged.reference))
