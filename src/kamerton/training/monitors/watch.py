"""Runs the monitors over a run, live or told again from its journal, and says what is done about what they find."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from kamerton.recipe import AlarmsSection
from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.answers import Answers
from kamerton.training.monitors.divergence import Divergence
from kamerton.training.monitors.failure import Failure
from kamerton.training.monitors.forgetting import Forgetting
from kamerton.training.monitors.history import History, Record, Step
from kamerton.training.monitors.learning_rate import RateTooHigh, RateTooLow
from kamerton.training.monitors.loader import Loader
from kamerton.training.monitors.non_finite import PATIENCE, NonFinite, broken_in_a_row
from kamerton.training.monitors.over_fitting import OverFitting
from kamerton.training.monitors.plateau import Plateau
from kamerton.training.monitors.rows import Duplicates, FewRows, Languages, Leak, Masked
from kamerton.training.monitors.spike import Spike, outlier
from kamerton.training.monitors.template import Template
from kamerton.training.monitors.throughput import Throughput
from kamerton.training.monitors.under_fitting import Frozen, UnderFitting

__all__ = ["Action", "Watch", "decide", "diagnose"]

Action = Literal["go", "skip", "stop"]

_MONITORS: tuple[type[Monitor], ...] = (
    NonFinite,
    Failure,
    Loader,
    Frozen,
    Masked,
    Leak,
    Answers,
    Template,
    Languages,
    Duplicates,
    FewRows,
    Divergence,
    RateTooHigh,
    Spike,
    OverFitting,
    UnderFitting,
    RateTooLow,
    Plateau,
    Throughput,
)


class Watch:
    """All alarms of one run.

    It is fed the records of the run in their order and keeps nothing else, so that a resumed run's watch, fed from the
    journal, stands where the interrupted one stood.
    """

    def __init__(self, policies: AlarmsSection | None = None) -> None:
        self._policies = policies or AlarmsSection()
        self._monitors = [monitor() for monitor in _MONITORS] + [Forgetting(self._policies.forgetting_margin)]
        self._by_kind: dict[str, str] = {}
        self.history = History()
        self.alarms: list[Alarm] = []

    def take(self, record: Record) -> list[Alarm]:
        """Take a record in.

        Returns:
            the alarms that it raises; a kind is raised once a run.
        """
        self.history.add(record)
        fresh = []
        for monitor in self._monitors:
            alarm = monitor.take(record, self.history)
            if alarm is not None and alarm.kind not in self._by_kind:
                self._by_kind[alarm.kind] = monitor.policy
                fresh.append(alarm)
        self.alarms += fresh
        return fresh

    def policy(self, alarm: Alarm) -> str:
        """What the recipe says is done about an alarm that was raised: off, warn, stop or skip_step."""
        return str(getattr(self._policies, self._by_kind[alarm.kind], "warn"))


def decide(policies: AlarmsSection, before: Sequence[Step], loss: float, grad_norm: float) -> Action:
    """What is done with a step whose gradients stand, before they touch the weights.

    A pure function of these two numbers and of the steps before as the trace has them, so that a resumed, a rebuilt and
    a replayed run decide alike.
    """
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        return "skip" if policies.non_finite == "skip_step" and broken_in_a_row(before) < PATIENCE else "stop"
    if policies.spike not in {"skip_step", "stop"} or outlier(before, loss, grad_norm) is None:
        return "go"
    return "skip" if policies.spike == "skip_step" else "stop"


def diagnose(records: Iterable[Record], policies: AlarmsSection | None = None) -> list[Alarm]:
    """All alarms of a run that is told as records, by step; what a policy keeps silent is told here too."""
    watch = Watch(policies)
    for record in records:
        watch.take(record)
    return sorted(watch.alarms, key=lambda alarm: alarm.step)
