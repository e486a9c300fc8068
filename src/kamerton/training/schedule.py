"""The learning rate of a step: a pure function of the step, so that nothing of it needs to be saved."""

from __future__ import annotations

import math

from kamerton.recipe import TrainingSection

__all__ = ["rate_share"]


def rate_share(step: int, steps: int, warmup: int, options: TrainingSection) -> float:
    """The share of `learning_rate` that a step (from 1) uses.

    Linear warm-up whose first step is no empty one, then the schedule from 1 down to `min_rate_share`: half a cosine
    wave, a straight line, the inverse square root of the step, or none.
    """
    done = step - 1
    if done < warmup:
        return step / (warmup + 1)
    floor, progress = options.min_rate_share, (done - warmup) / max(steps - warmup, 1)
    match options.schedule:
        case "cosine":
            share = 0.5 * (1.0 + math.cos(math.pi * progress))
        case "linear":
            share = 1.0 - progress
        case "inverse_sqrt":
            return max(math.sqrt((warmup + 1) / step), floor)
        case "constant":
            return 1.0
    return floor + (1.0 - floor) * share
