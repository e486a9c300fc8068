"""Validation loss rises while training loss falls."""

from __future__ import annotations

import math
from statistics import fmean
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Evaluation, History, Record

__all__ = ["OverFitting"]

ROUNDS = 2
LEAST = 0.01
"""Share of the lowest loss: less is of no matter, however sure it is."""
UNKNOWN_ERROR = 0.02
"""Share of the lowest loss that two standard errors are taken for where a log tells none."""


class OverFitting(Monitor):
    """Validation loss two standard errors above its lowest, on the same examples, in two measurements in a row."""

    policy: ClassVar[str] = "over_fitting"

    def __init__(self) -> None:
        self._lowest: Evaluation | None = None
        self._risen = 0

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Evaluation):
            return None
        lowest = self._lowest
        if not math.isfinite(record.loss):
            return None
        if lowest is None or record.loss < lowest.loss:
            self._lowest, self._risen = record, 0
            return None
        rise = (
            record.over_lowest.surely_above
            if record.over_lowest
            else record.loss - lowest.loss - UNKNOWN_ERROR * abs(lowest.loss)
        )
        matters = record.loss - lowest.loss > LEAST * abs(lowest.loss)
        self._risen = self._risen + 1 if rise > 0.0 and matters else 0
        then, now = _training_loss(history, lowest.step), _training_loss(history, record.step)
        if self._risen < ROUNDS or then is None or now is None or now >= then:
            return None
        over = f", {record.over_lowest} on the same examples" if record.over_lowest else ""
        return Alarm(
            "over_fitting",
            record.step,
            "warning",
            "validation loss rises while training loss falls",
            f"validation loss {record.loss:.3f} after {lowest.loss:.3f} at step {lowest.step}{over}; "
            f"training loss {now:.3f} after {then:.3f}",
            "the training part is learned by heart",
            "set training.finish_with=best and training.early_stopping, or fewer training.epochs, a smaller "
            "method.rank, or more data",
        )


def _training_loss(history: History, step: int, width: int = 16) -> float | None:
    """Mean training loss of the last steps up to one."""
    losses = [each.loss for each in history.telling if each.step <= step][-width:]
    return fmean(losses) if losses else None
