"""The loss rises and stays up."""

from __future__ import annotations

import math
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import History, Record, Step

__all__ = ["Divergence"]

SMOOTHING = 0.9
RISE = 1.5
LEAST = 0.1
"""Nats: on a loss near zero half as much again is noise."""
STEPS = 20


class Divergence(Monitor):
    """Smoothed loss above 1.5 times its lowest for 20 steps."""

    policy: ClassVar[str] = "divergence"

    def __init__(self) -> None:
        self._smooth = self._lowest = math.nan
        self._above = 0

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Step) or not record.finite or history.facts.rewarded:
            return None
        first = math.isnan(self._smooth)
        self._smooth = record.loss if first else SMOOTHING * self._smooth + (1.0 - SMOOTHING) * record.loss
        self._lowest = self._smooth if first else min(self._lowest, self._smooth)
        high = self._smooth > max(RISE * self._lowest, self._lowest + LEAST)
        self._above = self._above + 1 if high else 0
        if self._above < STEPS:
            return None
        return Alarm(
            "divergence",
            record.step,
            "error",
            "the loss rose and stays up",
            f"smoothed loss {self._smooth:.3f} for {STEPS} steps above {RISE} times its lowest, {self._lowest:.3f}",
            "a learning rate too high, or the data changed in the middle of the run",
            "lower training.learning_rate by a factor of 3 to 10, or raise training.warmup_steps; go on from a "
            "checkpoint before the rise",
        )
