"""The loss no longer falls, and training goes on."""

from __future__ import annotations

import math
from statistics import fmean, variance
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Evaluation, History, Record, Step

__all__ = ["Plateau", "fall"]

WIDTH = 50
"""Steps of each of the two halves that are compared."""
SMALLEST = 0.01
"""A fall of this share of the loss from one half to the next is progress."""
ROUNDS = 3
LEFT = 0.25
"""Share of the planned steps that must still be to come: towards its end, at a small rate, a run may rest."""
LEARNED = 0.05
"""Nats: a loss below it has nowhere to fall to."""


class Plateau(Monitor):
    """The mean loss of 50 steps is surely less than 1 % below that of the 50 before them, or no validation loss of
    the last three is below the lowest before them by more than its standard error."""

    policy: ClassVar[str] = "plateau"

    def __init__(self) -> None:
        self._flat = 0
        self._lowest = math.inf
        self._checked = 0

    def take(self, record: Record, history: History) -> Alarm | None:
        match record:
            case Evaluation():
                evidence = self._validation(record)
            case Step() if len(history.steps) >= self._checked + WIDTH // 2 and not history.facts.rewarded:
                self._checked = len(history.steps)
                evidence = self._training(history)
            case _:
                return None
        left = history.left()
        if evidence is None or (left is not None and left < LEFT):
            return None
        return Alarm(
            "plateau",
            record.step,
            "warning",
            "the loss no longer falls, and training goes on",
            evidence + (f"; {left:.0%} of the steps are still to come" if left is not None else ""),
            "all that this model and rate can learn from the data is learned, or the answers are noise",
            "stop here (training.early_stopping), look at the rows, or try another training.learning_rate",
        )

    def _training(self, history: History) -> str | None:
        steps = [step for step in history.steps[-2 * WIDTH :] if step.finite and not step.withheld]
        if len(steps) < 2 * WIDTH:
            return None
        before, after = [s.loss for s in steps[:WIDTH]], [s.loss for s in steps[WIDTH:]]
        change, error = fall(before, after)
        least = SMALLEST * abs(fmean(before))
        if fmean(after) < LEARNED or abs(change) >= least or change + 2.0 * error >= least:
            return None
        return (
            f"mean loss {fmean(after):.3f} over {WIDTH} steps after {fmean(before):.3f}: "
            f"a fall of {change:+.3f} [{change - 2 * error:+.3f}, {change + 2 * error:+.3f}]"
        )

    def _validation(self, record: Evaluation) -> str | None:
        lowest = self._lowest
        self._lowest = min(lowest, record.loss)
        over = record.over_lowest
        if over is None or record.loss < LEARNED:
            return None
        better = over.change + over.error < 0.0
        self._flat = 0 if better or over.surely_above > 0.0 else self._flat + 1
        if self._flat < ROUNDS:
            return None
        return f"validation loss {record.loss:.3f}, lowest before {lowest:.3f}: no gain in {ROUNDS} measurements"


def fall(before: list[float], after: list[float]) -> tuple[float, float]:
    """Difference of the means of two samples and its standard error (Welch, Biometrika 34:28, 1947)."""
    error = math.sqrt(variance(before) / len(before) + variance(after) / len(after))
    return fmean(before) - fmean(after), error
