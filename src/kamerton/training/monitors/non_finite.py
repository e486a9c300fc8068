"""Loss or gradient is not a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Evaluation, History, Record, Step

__all__ = ["PATIENCE", "NonFinite", "broken_in_a_row"]

PATIENCE = 5
"""Steps in a row that may be left out; where even more of them are broken, it is not the batch."""


class NonFinite(Monitor):
    """A loss, gradient norm or validation loss that is nan or infinite."""

    policy: ClassVar[str] = "non_finite"

    def take(self, record: Record, history: History) -> Alarm | None:
        match record:
            case Step() if not record.finite:
                name = "gradient norm" if math.isfinite(record.loss) else "loss"
            case Evaluation() if not math.isfinite(record.loss):
                name = "validation loss"
            case _:
                return None
        before = next((step for step in reversed(history.steps) if step.finite), None)
        told = f"; the last finite loss was {before.loss:.3f} at step {before.step}" if before else ""
        return Alarm(
            "non_finite",
            record.step,
            "error",
            f"the {name} is not a number",
            # The journal does not tell nan from infinite, and what is told live is what is told from it.
            f"{name} nan or infinite at step {record.step}{told}",
            "a learning rate too high, numbers too large for the precision, or a broken row in the batch"
            if before
            else "broken rows, or a base with broken weights",
            "lower training.learning_rate, set training.compute.precision=fp32, look at the rows of the step; "
            "training.alarms.non_finite=skip_step leaves out single steps",
        )


def broken_in_a_row(steps: Sequence[Step]) -> int:
    """How many steps at the end were not finite."""
    count = 0
    for step in reversed(steps):
        if step.finite:
            break
        count += 1
    return count
