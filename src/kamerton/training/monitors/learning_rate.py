"""The rate is too high or too low for this model and data."""

from __future__ import annotations

from itertools import accumulate
from statistics import fmean, median
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Ended, Evaluation, History, Paired, Record, Step
from kamerton.training.monitors.plateau import fall

__all__ = ["RateTooHigh", "RateTooLow"]

FIRST = 3
RECENT = 5
RISE = 1.25
"""Median of 5 losses over the median of the first 3, whose noise is that of single batches."""
EARLY = 50
WORSE = 0.02
"""Share of the start's validation loss."""

LINEAR = 0.9
"""The second half of the way learned at least this share of what the first half did."""
SMALL = 0.05
"""Share of the first loss: what learned more than this was no crawl, whatever its course."""
LEAST_STEPS = 40


class RateTooHigh(Monitor):
    """The loss rises far above the first ones at once, or the first validation is surely worse than the start."""

    policy: ClassVar[str] = "learning_rate"

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._validated = False

    def take(self, record: Record, history: History) -> Alarm | None:
        evidence, step = None, history.step
        match record:
            case Step() if record.finite and not history.facts.rewarded and len(self._losses) < EARLY:
                self._losses.append(record.loss)
                evidence = self._rise()
            case Evaluation(over_start=Paired() as over) if not self._validated:
                self._validated = True
                start = record.loss - over.change
                if over.surely_above > WORSE * abs(start):
                    evidence = f"validation loss {record.loss:.3f}, before the first step {start:.3f}: {over}"
        if evidence is None:
            return None
        norms = [step.grad_norm for step in history.steps[-RECENT:] if step.finite and step.grad_norm is not None]
        told = f"; gradient norm {median(norms):.2f}" if norms else ""
        return Alarm(
            "rate_too_high",
            step,
            "warning",
            "training makes the model worse from its beginning",
            evidence + told,
            "a learning rate too high for this model and method",
            "lower training.learning_rate by a factor of 3 to 10, or raise training.warmup_steps",
        )

    def _rise(self) -> str | None:
        if len(self._losses) < FIRST + RECENT:
            return None
        first, recent = median(self._losses[:FIRST]), median(self._losses[-RECENT:])
        if recent - first <= (RISE - 1.0) * abs(first):
            return None
        return f"loss {recent:.3f} (median of {RECENT} steps) after {first:.3f} in the first {FIRST}"


class RateTooLow(Monitor):
    """The loss falls in a straight line, little in all: twice the rate would have learned about twice as much.

    A run at a fitting rate learns most in its first half, counted by the sum of the rates.
    """

    policy: ClassVar[str] = "learning_rate"

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Ended) or len(history.steps) < LEAST_STEPS:
            return None
        evidence = _by_validation(history) or _by_training(history)
        if evidence is None:
            return None
        return Alarm(
            "rate_too_low",
            record.step,
            "warning",
            "the loss falls in a straight line and would fall further",
            evidence,
            "a learning rate too low, or too few steps",
            "raise training.learning_rate by a factor of 2 to 5, or training.epochs",
        )


def _way(history: History) -> list[float]:
    """Sum of the rates up to each step; steps count where no rates are told."""
    return list(accumulate(step.learning_rate if step.learning_rate is not None else 1.0 for step in history.steps))


def _by_validation(history: History) -> str | None:
    """By the gains over the start at about half of the way and at the end."""
    checks = [each for each in history.evaluations if each.over_start is not None]
    way = _way(history)
    if len(checks) < 2 or not way[-1]:
        return None
    place = {step.step: done / way[-1] for step, done in zip(history.steps, way, strict=True)}
    middle = min(checks[:-1], key=lambda each: abs(place.get(each.step, 0.0) - 0.5))
    half, last = place.get(middle.step, 0.0), checks[-1]
    assert middle.over_start is not None
    assert last.over_start is not None
    first, whole = -middle.over_start.change, -last.over_start.change
    start = last.loss + whole
    if not 0.2 <= half <= 0.8 or last.over_start.surely_below >= 0.0 or whole >= SMALL * abs(start) or first <= 0.0:
        return None
    share = ((whole - first) / (1.0 - half)) / (first / half)
    if share < LINEAR:
        return None
    return (
        f"validation loss {start:.3f}, {middle.loss:.3f}, {last.loss:.3f} at {0:.0%}, {half:.0%} and {1:.0%} of the "
        f"way (sum of the rates): the later part learned {share:.0%} of what the earlier did for its length"
    )


def _by_training(history: History) -> str | None:
    """By the mean losses of three thirds of the way."""
    if history.facts.rewarded or any(each.over_start is not None for each in history.evaluations):
        return None
    way = _way(history)
    parts: list[list[float]] = [[], [], []]
    for step, done in zip(history.steps, way, strict=True):
        if step.finite:
            parts[min(int(3 * done / way[-1]), 2) if way[-1] else 0].append(step.loss)
    if min(map(len, parts)) < LEAST_STEPS // 4:
        return None
    (early, error_early), (late, error_late) = fall(parts[0], parts[1]), fall(parts[1], parts[2])
    surely = early > 2.0 * error_early and late > 2.0 * error_late
    if not surely or late < LINEAR * early or early + late >= SMALL * abs(fmean(parts[0])):
        return None
    return f"mean loss {', '.join(f'{fmean(part):.3f}' for part in parts)} in three thirds of the way"
