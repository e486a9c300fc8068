"""Hardly anything was learned."""

from __future__ import annotations

from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Ended, Evaluation, History, Record, Step
from kamerton.training.monitors.plateau import fall

__all__ = ["Frozen", "UnderFitting"]

LEAST = 0.005
"""Share of the first loss: a smaller gain is none."""
QUARTER = 10
"""Steps that the first and the last quarter need to be compared."""
ZEROS = 3


class UnderFitting(Monitor):
    """At the end of the run the validation loss is not surely below that of the start model on the same examples.

    Without a validation part: the mean loss of the last quarter of the steps is not surely below that of the first.
    """

    policy: ClassVar[str] = "under_fitting"

    def __init__(self) -> None:
        self._last: Evaluation | None = None

    def take(self, record: Record, history: History) -> Alarm | None:
        if isinstance(record, Evaluation):
            self._last = record
        if not isinstance(record, Ended):
            return None
        evidence = self._validation(self._last) if self._last and self._last.over_start else self._training(history)
        if evidence is None:
            return None
        return Alarm(
            "under_fitting",
            record.step,
            "warning",
            "hardly anything was learned",
            evidence,
            "a learning rate too low, too few steps, weights that do not move, or answers that cannot be predicted",
            "raise training.learning_rate by a factor of 3 to 10 or training.epochs; look at the number of "
            "weights that move (kamerton check) and at the rows",
        )

    def _validation(self, last: Evaluation) -> str | None:
        over = last.over_start
        assert over is not None
        start = last.loss - over.change
        # More than two errors above the start is another illness: learning_rate or over_fitting tells of it.
        if over.surely_above > 0.0 or (over.surely_below < 0.0 and -over.change >= LEAST * abs(start)):
            return None
        return f"validation loss {last.loss:.3f}, before the first step {start:.3f}: {over} on the same examples"

    def _training(self, history: History) -> str | None:
        losses = [step.loss for step in history.telling]
        quarter = len(losses) // 4
        if quarter < QUARTER:
            return None
        first, last = losses[:quarter], losses[-quarter:]
        change, error = fall(first, last)
        middle = sum(first) / quarter
        if (change - 2.0 * error > 0.0 and change >= LEAST * abs(middle)) or change + 2.0 * error < 0.0:
            return None
        return (
            f"training loss {middle:.3f} in the first quarter, {sum(last) / quarter:.3f} in the last: "
            f"a fall of {change:+.3f} [{change - 2 * error:+.3f}, {change + 2 * error:+.3f}]"
        )


class Frozen(Monitor):
    """A gradient of exactly zero in three steps in a row: what is trained takes no part in the loss."""

    policy: ClassVar[str] = "under_fitting"

    def __init__(self) -> None:
        self._zeros = 0

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Step):
            return None
        self._zeros = self._zeros + 1 if record.grad_norm == 0.0 and record.loss > 0.0 else 0
        if self._zeros < ZEROS:
            return None
        return Alarm(
            "frozen",
            record.step,
            "error",
            "the weights do not move",
            f"gradient norm 0 in the last {ZEROS} steps, with a loss of {record.loss:.3f}",
            "an adapter whose weights are all zero or switched off, or trained layers that take no part in the loss",
            "look at method.targets and the adapter that training starts from",
        )
