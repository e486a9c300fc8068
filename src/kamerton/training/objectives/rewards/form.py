"""Form: 1 where the whole answer matches a pattern, by the definition of the metric `form`."""

from __future__ import annotations

from kamerton.chat.answers import has_form
from kamerton.training.objectives.rewards.base import Judged, Reward

__all__ = ["form"]


def form(pattern: str) -> Reward:
    def reward(judged: Judged) -> float:
        return float(has_form(pattern, judged.answer))

    return reward
