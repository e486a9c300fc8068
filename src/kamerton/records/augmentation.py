"""What augmentation made, and what of it was refused."""

from __future__ import annotations

from kamerton.records.base import Part

__all__ = ["AugmentationExample", "AugmentationReport", "AugmentationStep"]


class AugmentationExample(Part):
    """A question before and after."""

    file: str
    line: int
    before: str
    after: str


class AugmentationStep(Part):
    """What one step made."""

    kind: str
    rows: int
    """Training rows that were augmented."""
    made: int
    """New rows that were kept."""
    refused: dict[str, int]
    """New rows that were refused, by reason: `unchanged`, `empty`, `length`, `numbers`, `duplicate`, `held_out`."""
    examples: list[AugmentationExample]


class AugmentationReport(Part):
    """All steps, in the order of the recipe."""

    steps: list[AugmentationStep]
    made: int
    """New rows in all."""
