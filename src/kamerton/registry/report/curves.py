"""Training curves from the trace and the events, thinned to what a chart can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from kamerton.journal import TraceStep
from kamerton.registry.report.inputs import ReportInputs

__all__ = ["training_curves"]

_POINTS = 400
"""Most points of one curve; a longer run shows the mean of several steps as one point."""


def training_curves(inputs: ReportInputs) -> dict[str, Any]:
    """Figures of the training, and its curves.

    `steps_per_point` steps make one point; `loss` is then the mean over their tokens, other curves plain means.
    `smooth_loss` is a centred moving mean over `smooth_window` points.
    """
    result, trace = inputs.run.result, list(inputs.trace)
    width = max(1, -(-len(trace) // _POINTS))
    points = [_point(trace[start : start + width]) for start in range(0, len(trace), width)]
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
    }


def _point(steps: Sequence[TraceStep]) -> dict[str, Any]:
    weights = [step.tokens for step in steps] if any(step.tokens for step in steps) else None
    return {
        "step": steps[-1].step,
        "loss": fmean((step.loss for step in steps), weights) if len(steps) > 1 else steps[0].loss,
        "learning_rate": fmean(step.learning_rate for step in steps),
        "grad_norm": fmean(step.grad_norm for step in steps),
    }


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
