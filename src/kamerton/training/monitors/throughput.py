"""Fewer tokens a second than before."""

from __future__ import annotations

from statistics import median
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import History, Record, Step

__all__ = ["Throughput"]

SKIPPED = 2
"""The first steps also pay for what is made once."""
REFERENCE = 32
RECENT = 16
DROP = 1 / 3


class Throughput(Monitor):
    """The median of the last 16 steps below a third of the median of the first 32.

    It tells of the machine and not of the model, and never decides about weights.
    """

    policy: ClassVar[str] = "throughput"

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._usual = 0.0

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Step) or record.tokens_per_second is None or history.facts.rewarded:
            return None  # a model that learns from rewards writes what it learns from, longer or shorter as it pays
        self._rates.append(record.tokens_per_second)
        if len(self._rates) == SKIPPED + REFERENCE:
            self._usual = median(self._rates[SKIPPED:])
        if len(self._rates) < SKIPPED + REFERENCE + RECENT:
            return None
        recent = median(self._rates[-RECENT:])
        if recent >= DROP * self._usual:
            return None
        return Alarm(
            "throughput",
            record.step,
            "warning",
            "training became slower",
            f"{recent:,.0f} learned tokens a second over the last {RECENT} steps, {self._usual:,.0f} in the beginning",
            "other work on the machine, a processor or GPU that became hot, memory that is swapped, or rows that came "
            "to be much longer or to have less to learn",
            "look at what else runs (top, nvidia-smi); the weights are not touched by it",
        )
