"""The answers have nothing to do with their questions."""

from __future__ import annotations

from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Facts, History, Record

__all__ = ["Answers"]

CHANCE = 0.01
"""Answers put to questions by lot are taken for fitting ones in so many cases, and are then not found."""
FEWEST = 200


class Answers(Monitor):
    """A permutation test cannot tell the answers from the same answers put to questions by lot.

    The test is of words (`facts.dependence`), not of the model, so that it can be made before the first step.
    """

    policy: ClassVar[str] = "data"

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts) or record.chance is None or (record.paired or 0) < FEWEST:
            return None
        if record.chance <= CHANCE:
            return None
        return Alarm(
            "answers",
            0,
            "error",
            "the answers have nothing to do with their questions",
            f"of {record.paired} examples, answers put to questions by lot fit as well: p = {record.chance:.3f}",
            "a column that was sorted or shuffled apart from the others, or a join on the wrong key",
            "look at a few rows; where answers truly do not depend on questions, set training.alarms.data=off",
        )
