"""The run ended in an error that is none of the training's own."""

from __future__ import annotations

from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Failed, History, Record

__all__ = ["Failure"]


class Failure(Monitor):
    """The end of the last attempt was an error; a loss that is not a number is told of by `non_finite`."""

    policy: ClassVar[str] = "failed"

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Failed) or (history.steps and not history.steps[-1].finite):
            return None
        verdict = record.error == "VerdictError"
        return Alarm(
            "failed",
            record.step,
            "error",
            "the run did not come to its end",
            record.reason,
            "what the reason names" if verdict else "the machine or what was asked for, not the course of the training",
            "mend what the reason names, then kamerton train --resume",
        )
