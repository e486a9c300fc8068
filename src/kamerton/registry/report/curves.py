"""Training curves from the trace and the events, thinned to what a chart can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from kamerton.journal import TraceStep
from kamerton.registry.report.inputs import ReportInputs

__all__ = ["training_curves"]

_POINTS = 400
"""Most points of one curve; a longer run shows several steps as one point: their mean, lowest and highest."""
_MEASURED = ("tokens_per_second", "memory_mib")
_ALARM = ("severity", "symptom", "evidence", "cause", "change")


def training_curves(inputs: ReportInputs) -> dict[str, Any]:
    """Figures of the training, and its curves.

    `steps_per_point` steps make one point; `loss` is then the mean over their tokens, other curves plain means, and
    `_low` and `_high` the extremes, so that a spike is never averaged away. `smooth_loss` is a centred moving mean over
    `smooth_window` points. `curves` holds what the journal measured besides: speed, memory, and the metrics of the
    objective; `validation_curves` those of the validation. Of a step that was trained again after a resumption the
    later counts.
    """
    result, trace = inputs.run.result, list(inputs.trace)
    width = max(1, -(-max(len(trace), result.steps) // _POINTS))
    parts = (_shown(trace[start : start + width]) for start in range(0, len(trace), width))
    points = [_point(part) for part in parts if part]
    window = max(1, 2 * (len(points) // 24) + 1)
    losses = [point["loss"] for point in points]
    return {
        "steps": result.steps,
        "tokens": result.tokens,
        "seconds": result.seconds,
        "attempts": result.attempts,
        "first_loss": result.first_loss,
        "last_loss": result.last_loss,
        "tokens_per_second": _speed(inputs.events),
        "steps_per_point": width,
        "smooth_window": window,
        "points": [
            point | {"smooth_loss": value} for point, value in zip(points, _smooth(losses, window), strict=True)
        ],
        "validation": _validation(inputs.events),
        "curves": {name: _thinned(values, width) for name, values in _measured(inputs.events, "step").items()},
        "validation_curves": {
            name: [{"step": step, "value": value} for step, value in sorted(values.items())]
            for name, values in _measured(inputs.events, "evaluated").items()
        },
        "alarms": _alarms(inputs.events),
        "resumed": sorted({int(event.get("step", 0)) for event in inputs.events if event.get("kind") == "resumed"}),
    }


def _shown(steps: Sequence[TraceStep]) -> list[tuple[TraceStep, float, float]]:
    """Steps with their loss and gradient norm; one that was skipped because they were no numbers has no place."""
    return [(step, step.loss, step.grad_norm) for step in steps if step.loss is not None and step.grad_norm is not None]


def _point(shown: Sequence[tuple[TraceStep, float, float]]) -> dict[str, Any]:
    steps, losses, norms = zip(*shown, strict=True)
    weights = [step.tokens for step in steps] if any(step.tokens for step in steps) else None
    return {
        "step": steps[-1].step,
        "loss": fmean(losses, weights) if len(steps) > 1 else losses[0],
        "loss_low": min(losses),
        "loss_high": max(losses),
        "learning_rate": fmean(step.learning_rate for step in steps),
        "grad_norm": fmean(norms),
        "grad_norm_low": min(norms),
        "grad_norm_high": max(norms),
    }


def _measured(events: Iterable[Mapping[str, Any]], kind: str) -> dict[str, dict[int, float]]:
    """What the events of a kind measured besides loss, rate and gradient: by name, then by step."""
    found: dict[str, dict[int, float]] = {}
    for event in events:
        if event.get("kind") != kind or not isinstance(event.get("step"), int):
            continue
        metrics = event.get("metrics")
        numbers = {name: event.get(name) for name in _MEASURED} | (
            dict(metrics) if isinstance(metrics, Mapping) else {}
        )
        for name, value in numbers.items():
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(str(name), {})[event["step"]] = float(value)
    return found


def _thinned(values: Mapping[int, float], width: int) -> list[dict[str, Any]]:
    """One point for each `width` steps that have values."""
    groups: dict[int, list[int]] = {}
    for step in sorted(values):
        groups.setdefault((step - 1) // width, []).append(step)
    return [
        {
            "step": steps[-1],
            "value": fmean(values[step] for step in steps),
            "low": min(values[step] for step in steps),
            "high": max(values[step] for step in steps),
        }
        for steps in groups.values()
    ]


def _alarms(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The alarms by step; one that a resumption raised again counts once."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for event in events:
        if event.get("kind") == "alarm":
            name, step = str(event.get("alarm") or "alarm"), int(event.get("step") or 0)
            found[step, name] = {"alarm": name, "step": step} | {key: str(event.get(key) or "") for key in _ALARM}
    return [found[key] for key in sorted(found)]


def _smooth(values: Sequence[float], window: int) -> list[float]:
    """Centred moving mean; at the ends over what is there on both sides alike."""
    smoothed = []
    for index in range(len(values)):
        reach = min(window // 2, index, len(values) - 1 - index)
        smoothed.append(fmean(values[index - reach : index + reach + 1]))
    return smoothed


def _validation(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Validation loss by step; of a step measured again after a resumption the later counts."""
    measured = {
        int(event["step"]): float(event["loss"])
        for event in events
        if event.get("kind") == "evaluated" and event.get("loss") is not None
    }
    return [{"step": step, "loss": loss} for step, loss in sorted(measured.items())]


def _speed(events: Sequence[Mapping[str, Any]]) -> float | None:
    """Median tokens a second over the steps that the journal timed."""
    speeds = [float(event["tokens_per_second"]) for event in events if event.get("tokens_per_second")]
    return median(speeds) if speeds else None
