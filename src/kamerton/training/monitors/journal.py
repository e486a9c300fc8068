"""The records of a run folder: its trace, joined with those of its events that still stand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from kamerton.journal import TraceStep, read_events, read_trace
from kamerton.training.monitors.history import Ended, Evaluation, Facts, Failed, Paired, Probe, Record, Step

__all__ = ["probe_record", "run_records", "standing", "step_record"]

_FACTS = {field.name for field in fields(Facts)}


def run_records(folder: Path) -> Iterator[Record]:
    """What alarms see of a run; where an attempt went on from a checkpoint, what came after it is left out.

    Numbers that decide about weights are read from the trace, which a checkpoint waits for, and not from the events.

    Raises:
        StorageError: the trace's hash chain is broken.
    """
    events = standing(read_events(folder))
    trace = read_trace(folder)
    told = {int(event["step"]): event for event in events if event["kind"] == "step"}
    known: dict[str, Any] = {}
    done = 0
    for event in events:
        reached = int(event.get("step", 0)) if event["kind"] not in {"started", "resumed"} else 0
        for step in trace[done:reached]:
            yield step_record(step, told.get(step.step, {}))
        done = max(done, min(reached, len(trace)))
        match event["kind"]:
            case "examples" | "languages":
                known |= {name: event[name] for name in ("masked", "judged", "mixed") if name in event}
            case "facts":
                known |= {name: value for name, value in event.items() if name in _FACTS}
                yield Facts(**known)
            case "withheld":
                yield Step(int(event["step"]), _number(event["loss"]), _number(event["grad_norm"]), withheld=True)
            case "evaluated":
                yield _evaluation(event)
            case "probed":
                yield probe_record(event)
            case "trained":
                yield Ended(int(event["step"]))
            case "failed":
                for step in trace[done:]:
                    yield step_record(step, told.get(step.step, {}))
                done = len(trace)
                yield Failed(done, str(event["reason"]), str(event.get("error", "")))
    for step in trace[done:]:
        yield step_record(step, told.get(step.step, {}))


def standing(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events of a run, less those after the checkpoint that a later attempt went on from, and past failures."""
    kept: list[Mapping[str, Any]] = []
    for event in events:
        if event["kind"] in {"started", "resumed"}:
            begin = int(event.get("step", 0))
            kept = [each for each in kept if int(each.get("step", 0)) <= begin and each["kind"] != "failed"]
        kept.append(event)
    return kept


def step_record(step: TraceStep, event: Mapping[str, Any]) -> Step:
    """A line of the trace, with what only the event knows."""
    return Step(
        step.step,
        _number(step.loss),
        _number(step.grad_norm),
        step.learning_rate,
        step.tokens,
        event.get("tokens_per_second"),
        step.batch,
        event.get("epoch"),
        withheld=step.skipped,
    )


def _evaluation(event: Mapping[str, Any]) -> Evaluation:
    over = [Paired(*event[name]) if event.get(name) else None for name in ("over_lowest", "over_start")]
    return Evaluation(int(event["step"]), _number(event["loss"]), event.get("error"), *over)


def probe_record(event: Mapping[str, Any]) -> Probe:
    over, loss, reference = Paired(*event["over"]), float(event["loss"]), float(event["reference"])
    return Probe(str(event["name"]), int(event["step"]), loss, reference, over, int(event["items"]))


def _number(value: float | None) -> float:
    """JSON has no number that is none; the journal writes null for it."""
    return math.nan if value is None else float(value)
