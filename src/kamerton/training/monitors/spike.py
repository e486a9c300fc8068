"""Loss or gradient norm far above that of the steps before."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import History, Record, Step

__all__ = ["WINDOW", "Spike", "outlier"]

WINDOW = 128
LEAST = 64
SIGMAS = 6.0
"""As OLMo-core's `SkipStepOptimizer` has them."""
LEAST_RISE = {"loss": 1.1, "gradient norm": 2.0}
"""Departure from OLMo-core: what is hardly larger than the mean is no spike, however quiet the steps before were."""


class Spike(Monitor):
    """A value above mean + 6 standard deviations of the last 128 steps, once there are 64 of them.

    Steps that were left out stay in the window, as in OLMo-core: where the loss goes over to a new height for good, the
    window follows, and the run does not stand still.
    """

    policy: ClassVar[str] = "spike"

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Step):
            return None
        found = outlier(history.steps[-WINDOW - 1 : -1], record.loss, record.grad_norm)
        if found is None:
            return None
        return Alarm(
            "spike",
            record.step,
            "warning",
            "a step far outside the ones before it",
            found,
            "an outlying batch (very long, foreign or broken rows), or a learning rate near the edge",
            "look at the rows of the step; lower training.learning_rate or training.optimizer.max_grad_norm; "
            "training.alarms.spike=skip_step leaves such steps out",
        )


def outlier(before: Sequence[Step], loss: float, grad_norm: float | None) -> str | None:
    """What stands out of the steps before, with its numbers; None where nothing does."""
    norms = [step.grad_norm for step in before if step.finite and step.grad_norm is not None]
    losses = [step.loss for step in before if step.finite]
    for name, window, value in (("loss", losses, loss), ("gradient norm", norms, grad_norm)):
        if value is None or len(window) < LEAST or value <= max(window):
            continue
        mean, deviation = fmean(window), pstdev(window)
        if value > mean + SIGMAS * deviation and value > LEAST_RISE[name] * mean:
            return f"{name} {value:.3f}; the last {len(window)} steps: mean {mean:.3f}, deviation {deviation:.3f}"
    return None
