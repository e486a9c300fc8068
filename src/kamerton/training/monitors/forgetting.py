"""A general set is predicted worse than the base predicts it."""

from __future__ import annotations

import math
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import History, Probe, Record

__all__ = ["Forgetting"]

MOST = 10.0
"""Nats: of a larger change the perplexity has too many digits to be read, and soon more than a float can hold."""


class Forgetting(Monitor):
    """Loss on the general set surely more than a margin above that of the start model on the same texts."""

    policy: ClassVar[str] = "forgetting"

    def __init__(self, margin: float) -> None:
        """
        Args:
            margin: nats per token.
        """
        self._margin = margin

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Probe) or record.name != "general" or record.over.surely_above <= self._margin:
            return None
        change = record.over.change
        perplexity = f" (perplexity {math.expm1(change):+.0%})" if change < MOST else ""
        return Alarm(
            "forgetting",
            record.step,
            "warning",
            "general texts are predicted worse than before the training",
            f"loss on {record.items} general texts {record.loss:.3f}, before the first step {record.reference:.3f}: "
            f"{record.over} nats a token{perplexity}; the margin is {self._margin:g}",
            "the model is drawn to the training data and loses what it could before",
            "lower training.learning_rate or training.epochs, mix general rows in (data.mix), or use a smaller adapter",
        )
