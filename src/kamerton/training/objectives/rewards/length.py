"""Length: 1 up to a number of tokens, falling evenly to 0 at twice as many (a soft limit as in DAPO, 2503.14476)."""

from __future__ import annotations

from kamerton.training.objectives.rewards.base import Judged, Reward

__all__ = ["length"]


def length(limit: int) -> Reward:
    """
    Args:
        limit: tokens, the end-of-turn token included.
    """

    def reward(judged: Judged) -> float:
        return min(1.0, max(0.0, 2.0 - judged.tokens / limit))

    return reward
