"""The same batch again and again, or batches of nothing."""

from __future__ import annotations

import math
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import History, Record, Step

__all__ = ["Loader"]

REPEATS = 3


class Loader(Monitor):
    """Three steps of an epoch that learned from a batch that the epoch had shown already, or from no token."""

    policy: ClassVar[str] = "data"

    def __init__(self) -> None:
        self._epoch = -1
        self._seen: dict[str, int] = {}
        self._repeats = self._empty = 0

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Step):
            return None
        self._empty = self._empty + 1 if record.tokens == 0 else 0
        if self._empty >= REPEATS:
            return self._alarm(record.step, f"the last {REPEATS} steps learned from no token")
        if not record.batch or (history.facts.steps_per_epoch or 0) < 2:
            return None
        epoch = math.ceil(record.epoch or 0.0)
        if epoch != self._epoch:
            self._epoch, self._seen, self._repeats = epoch, {}, 0
        first = self._seen.setdefault(record.batch, record.step)
        self._repeats += record.step - first >= history.facts.passes
        if self._repeats < REPEATS:
            return None
        return self._alarm(
            record.step,
            f"{self._repeats} steps of one epoch repeat a batch of it, such as step {record.step} that of step {first}",
        )

    def _alarm(self, step: int, evidence: str) -> Alarm:
        return Alarm(
            "loader",
            step,
            "error",
            "the batches do not go on",
            evidence,
            "what brings the rows hands out the same ones, or none",
            "look at the sources of data.train and their weights; report it where the recipe uses Kamerton's own order",
        )
