"""What a run's journal says about its health: symptom, evidence, likely cause, what to change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

__all__ = ["Issue", "diagnose"]

_SMOOTHING = 0.9
_DIVERGENCE = 1.5
_DIVERGENCE_STEPS = 20
_SPIKE_WINDOW = 128
_SPIKE_LEAST = 64
_SPIKE_SIGMAS = 6.0


@dataclass(frozen=True)
class Issue:
    """One finding about a run."""

    kind: str
    step: int
    evidence: str
    cause: str
    change: str


def diagnose(events: Sequence[Mapping[str, Any]]) -> list[Issue]:
    """All issues that the events of a run show, by step."""
    steps, checks = _standing(events, "step"), _standing(events, "evaluated")
    found = [_failed(events), _divergence(steps), _spike(steps), _over_fitting(steps, checks)]
    return sorted((issue for issue in found if issue is not None), key=lambda issue: issue.step)


def _standing(events: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """The events of a kind, less those after the checkpoint that a later attempt went on from."""
    standing: list[Mapping[str, Any]] = []
    for event in events:
        if event["kind"] in {"started", "resumed"}:
            begin = int(event.get("step", 0))
            standing = [each for each in standing if int(each["step"]) <= begin]
        elif event["kind"] == kind:
            standing.append(event)
    return standing


def _failed(events: Sequence[Mapping[str, Any]]) -> Issue | None:
    """The failure of the last attempt; one that a later attempt got over is past."""
    step, failure = 0, None
    for event in events:
        if event["kind"] == "step":
            step = int(event["step"])
        if event["kind"] in {"failed", "started", "resumed"}:
            failure = event if event["kind"] == "failed" else None
    if failure is None:
        return None
    cause, change = "a learning rate too high, or broken data", "lower training.learning_rate; run kamerton data check"
    if failure.get("error") != "VerdictError":
        cause, change = "the machine, not the training", "mend what the reason names, then kamerton train --resume"
    return Issue("failed", step, str(failure["reason"]), cause, change)


def _divergence(steps: Sequence[Mapping[str, Any]]) -> Issue | None:
    """Smoothed loss above 1.5 x its best for 20 steps."""
    smooth = best = math.inf
    above = 0
    for event in steps:
        loss = float(event["loss"])
        smooth = loss if math.isinf(smooth) else _SMOOTHING * smooth + (1 - _SMOOTHING) * loss
        best = min(best, smooth)
        above = above + 1 if smooth > _DIVERGENCE * best else 0
        if above == _DIVERGENCE_STEPS:
            evidence = f"smoothed loss {smooth:.3f}, best {best:.3f}"
            return Issue(
                "divergence", int(event["step"]), evidence, "a learning rate too high", "lower training.learning_rate"
            )
    return None


def _spike(steps: Sequence[Mapping[str, Any]]) -> Issue | None:
    """Loss or gradient norm above mean + 6 standard deviations of the last 128 steps, after 64 (as OLMo-core does)."""
    for key in ("loss", "grad_norm"):
        values = [float(event[key]) for event in steps]
        for index in range(_SPIKE_LEAST, len(values)):
            window = values[max(0, index - _SPIKE_WINDOW) : index]
            mean, deviation, value = fmean(window), stdev(window), values[index]
            if deviation > 0 and value > mean + _SPIKE_SIGMAS * deviation:
                evidence = f"{key} {value:.3f}, before it {mean:.3f} with standard deviation {deviation:.3f}"
                cause, change = "an outlying batch or a rate too high", "look at the rows of the step; lower the rate"
                return Issue("spike", int(steps[index]["step"]), evidence, cause, change)
    return None


def _over_fitting(steps: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> Issue | None:
    """Validation loss rising over two measurements while the training loss goes on falling."""
    losses = {int(event["step"]): float(event["loss"]) for event in steps}
    for before, middle, last in zip(checks, checks[1:], checks[2:], strict=False):
        rising = before["loss"] < middle["loss"] < last["loss"]
        falling = losses.get(int(last["step"]), math.inf) < losses.get(int(before["step"]), -math.inf)
        if rising and falling:
            evidence = f"validation loss {before['loss']:.3f}, {middle['loss']:.3f}, {last['loss']:.3f}"
            return Issue(
                "over_fitting",
                int(before["step"]),
                evidence,
                "the training part is learned by heart",
                "fewer training.epochs, a lower method.rank, or more data",
            )
    return None
