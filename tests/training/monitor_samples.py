"""Histories of runs, written by hand: what is told of a run that goes well, and the means to spoil it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from kamerton.recipe import AlarmsSection
from kamerton.training.monitors import Alarm, diagnose
from kamerton.training.monitors.history import Ended, Evaluation, Facts, Failed, Paired, Probe, Record, Step

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


def alarming() -> list[Alarm]:
    """Every alarm, and each way that its evidence can be put."""
    return [alarm for records in _spoilt_facts() + _spoilt_courses() for alarm in diagnose(records)]


def _spoilt_facts() -> list[list[Record]]:
    repeated = [step(number, 2.0, batch=f"batch {min(number, 5)}") for number in range(1, 9)]
    return [
        [replace(FACTS, distinct=20, examples=20)],
        [replace(FACTS, distinct=2500, examples=12_500)],
        [replace(FACTS, masked=200)],
        [replace(FACTS, learned_share=0.001)],
        [replace(FACTS, leaked=10)],
        [replace(FACTS, judged=100, mixed=40)],
        [replace(FACTS, paired=400, chance=0.4)],
        [replace(FACTS, closed=0.1)],
        [replace(FACTS, overridden=True)],
        [FACTS, *repeated],
        [step(number, 2.0, tokens=0) for number in range(1, 5)],
    ]


def _spoilt_courses() -> list[list[Record]]:
    flat = steps([2.0 + 0.01 * wobble(number) for number in range(1, 121)])
    line = steps([4.0 - 0.002 * number for number in range(1, 61)])
    short = steps([3.0 - 0.02 * number for number in range(1, 11)], 11)
    over_fitted = [checked(10, 2.1), checked(20, 2.3, over_lowest=0.2), checked(20, 2.4, over_lowest=0.3)]
    halves = [checked(30, 3.94, over_start=-0.06), checked(60, 3.88, over_start=-0.12)]
    return [
        [step(1, 2.0), step(2, math.nan)],
        [step(1, 2.0, math.inf)],
        [Evaluation(1, math.nan)],
        [*flat[:80], step(81, 9.0)],
        [*flat[:80], step(81, 2.0, 30.0)],
        [*flat, *steps([5.0] * 60, 121)],
        [FACTS, *flat],
        [FACTS, *short, *(checked(20, 2.0, over_lowest=0.001) for _ in range(4))],
        [*line[:10], over_fitted[0], *short, *over_fitted[1:]],
        [*line[:10], Evaluation(10, 2.1), *short, Evaluation(20, 2.3), Evaluation(20, 2.4)],
        [*flat[:20], checked(20, 2.0, over_start=-0.001), Ended(20)],
        [*flat[:60], Ended(60)],
        [step(number, 4.0, 0.0) for number in range(1, 4)],
        steps([4.0, 4.1, 3.9, 5.0, 6.0, 6.5, 6.4, 6.6]),
        [step(1, 4.0, None), checked(1, 4.5, over_start=0.4)],
        [*line, Ended(60)],
        [*line[:30], halves[0], *line[30:], halves[1], Ended(60)],
        [Probe("general", 50, 3.2, 3.0, Paired(0.2, 0.02), 24)],
        [Probe("general", 50, 803.0, 3.0, Paired(800.0, 0.02), 24)],
        [step(n, falling(n), tokens_per_second=12_000.0 if n < 60 else 300.0) for n in range(1, 90)],
        [step(1, 2.0), Failed(1, "the disk is full", "StorageError")],
    ]
