"""The watch of a run that is under way: it writes what it finds into the journal, and says when to stop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

from kamerton.journal import RunFolder, TraceStep, read_events
from kamerton.recipe import AlarmsSection
from kamerton.training.monitors.alarm import Alarm
from kamerton.training.monitors.history import Evaluation, Facts, Paired, Record, Step
from kamerton.training.monitors.journal import probe_record, run_records, step_record
from kamerton.training.monitors.probes import Probes, paired
from kamerton.training.monitors.spike import WINDOW
from kamerton.training.monitors.watch import Action, Watch, decide
from kamerton.training.validation import Measured

__all__ = ["LiveAlarms"]


class LiveAlarms:
    """Alarms of a run while it trains."""

    def __init__(self, policies: AlarmsSection, run: RunFolder) -> None:
        self.watch = Watch(policies)
        self.probes: Probes | None = None
        self.halted: Alarm | None = None
        """The alarm that ends the run here."""
        self._run = run
        self._told: Callable[[dict[str, Any]], None] = lambda event: None
        self._policies = policies
        self._under_way = False
        self._recent: deque[Step] = deque(maxlen=WINDOW)
        self._past: set[tuple[str, int]] = set()

    def replay(self) -> None:
        """Stand where the journal stands."""
        for record in run_records(self._run.path):
            self.watch.take(record)
        self._recent.extend(self.watch.history.steps[-WINDOW:])

    def begin(self, step: int, facts: dict[str, Any], probes: Probes, told: Callable[[dict[str, Any]], None]) -> None:
        """Before the first step of an attempt: measure the start model, or read what was measured of it.

        Whoever trains on a run that an alarm stopped has seen it: it stops the run once.

        Args:
            step: the last step of the checkpoint that the attempt goes on from; 0 begins.
            facts: fields of `Facts`.
        """
        self.probes, self._told, self._under_way = probes, told, True
        events = read_events(self._run.path)
        self._past = {(event["alarm"], event["step"]) for event in events if event["kind"] == "alarm"}
        probes.begin(self._run.path, step)
        if step == 0:
            self._run.event("facts", **facts)
            known = [record for record in run_records(self._run.path) if isinstance(record, Facts)]
            self.after(known[-1])

    def measure_start(self) -> None:
        """After the first step: measure the start model, where `begin` did not."""
        if self.probes is not None:
            self.probes.measure_start(self._run.path)

    def before_update(self, step: int, loss: float, grad_norm: float) -> Action:
        """What is done with a step; see `decide`. One that stopped the run before goes on, and so does a replay."""
        action = decide(self._policies, self._recent, loss, grad_norm)
        seen = not self._under_way or ("spike", step) in self._past
        return "go" if action == "stop" and seen and math.isfinite(loss) and math.isfinite(grad_norm) else action

    def sealed(self, step: TraceStep) -> None:
        """Remember a line of the trace: the next steps are decided by it."""
        self._recent.append(step_record(step, {}))

    def withheld(self, step: int, loss: float, grad_norm: float) -> None:
        """Tell of a step that ends the run before it touched the weights."""
        told = {
            name: value if math.isfinite(value) else None for name, value in (("loss", loss), ("grad_norm", grad_norm))
        }
        self._run.event("withheld", step=step, **told)
        self.after(Step(step, loss, grad_norm, withheld=True))

    def compare(self, measured: Measured, lowest: Measured | None) -> dict[str, list[float]]:
        """What the journal says of a measurement beside its loss: against the lowest before and the start model."""
        over: dict[str, Paired | None] = {}
        if lowest is not None:
            over["over_lowest"] = paired(measured.totals, lowest.totals, measured.units)
        if self.probes is not None:
            over["over_start"] = self.probes.over_start(measured)
        return {name: [each.change, each.error] for name, each in over.items() if each is not None}

    def evaluated(self, measured: Measured, over: dict[str, list[float]]) -> None:
        """Look at a measurement on the validation part."""
        error = None if math.isnan(measured.error) else measured.error
        both = [Paired(*over[name]) if name in over else None for name in ("over_lowest", "over_start")]
        self.after(Evaluation(measured.step, measured.loss, error, *both))

    def probe(self, step: int) -> None:
        """Measure the general set."""
        told = self.probes.general(step) if self.probes is not None else None
        if told is not None:
            self._run.event("probed", **told)
            self.after(probe_record(told))

    def after(self, record: Record) -> None:
        """Take a record in and tell of what it raises."""
        for alarm in self.watch.take(record):
            policy = self.watch.policy(alarm)
            if policy == "off" or (alarm.kind, alarm.step) in self._past:
                continue
            document = alarm.document()
            self._run.event("alarm", alarm=document.pop("kind"), policy=policy, **document)
            self._told({"notice": f"{alarm}; kamerton diagnose says what to change"})
            if policy == "stop" and self.halted is None:
                self.halted = alarm
