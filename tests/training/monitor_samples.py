"""Histories of runs, written by hand: what is told of a run that goes well, and the means to spoil it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kamerton.recipe import AlarmsSection
from kamerton.training.monitors import Alarm, diagnose
from kamerton.training.monitors.history import Ended, Evaluation, Facts, Paired, Record, Step

FACTS = Facts(steps=200, steps_per_epoch=100, examples=800, distinct=800, validation=50, leaked=0, closed=1.0)


def wobble(step: int) -> float:
    """A noise that is the same each time."""
    return math.sin(12.9898 * step)


def step(number: int, loss: float, grad_norm: float = 1.0, **more: object) -> Step:
    return replace(Step(number, loss, grad_norm, 1e-3, 400, 1000.0, f"batch {number}", number / 100), **more)  # type: ignore[arg-type]


def falling(number: int) -> float:
    """The loss of a healthy run."""
    return 1.0 + 3.0 * math.exp(-number / 60) + 0.05 * wobble(number)


def checked(
    number: int, loss: float, *, over_lowest: float | None = None, over_start: float | None = None
) -> Evaluation:
    """A measurement whose differences have a standard error of 0.01."""
    both = [None if each is None else Paired(each, 0.01) for each in (over_lowest, over_start)]
    return Evaluation(number, loss, 0.05, *both)


def steps(losses: Sequence[float], first: int = 1) -> list[Step]:
    return [step(number, loss, 1.0 + 0.1 * wobble(number)) for number, loss in enumerate(losses, start=first)]


def healthy(count: int = 200) -> list[Record]:
    """A run of `count` steps that goes well, measured every 50."""
    records: list[Record] = [replace(FACTS, steps=count)]
    lowest: float | None = None
    for each in steps([falling(number) for number in range(1, count + 1)]):
        records.append(each)
        if each.step % 50 == 0:
            loss = 1.1 + 3.0 * math.exp(-each.step / 60)
            over = None if lowest is None else loss - lowest
            records.append(checked(each.step, loss, over_lowest=over, over_start=loss - 4.1))
            lowest = loss
    return [*records, Ended(count)]


def kinds(records: Sequence[Record], policies: AlarmsSection | None = None) -> list[str]:
    return [alarm.kind for alarm in diagnose(records, policies)]


def only(records: Sequence[Record]) -> Alarm:
    """The one alarm that records raise."""
    (alarm,) = diagnose(records)
    return alarm
