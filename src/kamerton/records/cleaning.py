"""What cleaning found: for each step its counts, and examples of before and after."""

from __future__ import annotations

from typing import Literal

from kamerton.records.base import Part

__all__ = ["CleaningExample", "CleaningReport", "CleaningStep"]


class CleaningExample(Part):
    """One place where a step found something."""

    file: str
    line: int
    message: str = ""
    """What was found, as in the row's finding."""
    before: str
    """The text around the place, cut to about 100 characters."""
    after: str | None
    """The same, mended (under `report`: as it would be); None where the step mends nothing."""


class CleaningStep(Part):
    """What one step did to the rows that had come through the steps before it."""

    name: str
    """The key in `data.clean`; `lost_letters` is always on, `empty` and `length` follow `min_answer_chars` and
    `max_answer_chars`."""
    action: Literal["report", "fix", "drop"]
    looked_at: int
    found: int
    """Rows in which it found something."""
    changed: int
    set_aside: int
    examples: list[CleaningExample]
    """The first that were found."""


class CleaningReport(Part):
    """All steps that were on, in the order in which they ran."""

    rows: int = 0
    rows_changed: int = 0
    rows_set_aside: int = 0
    steps: list[CleaningStep] = []
