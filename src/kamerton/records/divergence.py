"""What is remembered of two runs held against each other: where they part, and what made them."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from kamerton.records.base import Part, Record

__all__ = ["DivergenceRecord", "PartingPoint"]


class PartingPoint(Part):
    """The first thing that replays of two runs do differently."""

    step: int
    """Optimiser step, from 1."""
    forward_pass: int | None
    """Forward pass of the step, from 1; None for what belongs to the step as a whole, such as an update."""
    module: str
    """Module, weight or example; empty for what belongs to none."""
    operation: str
    """What it does there: forward, gradient, update."""


class DivergenceRecord(Record):
    """Two runs, compared by what made them, by their traces, and by replays."""

    kind: Literal["divergence"] = "divergence"
    runs: tuple[str, str]
    """Their run ids."""
    identical: bool
    """Their traces are equal from the first step to the last, and so are the finished models where both are there."""
    what_differs: list[str]
    """Where recipe, data, base, code or environment part, one sentence each; the first run's value comes first."""
    steps: tuple[int, int]
    """Steps of each trace."""
    first_different_step: int | None
    """First step whose trace lines differ; None where all are equal."""
    different_fields: list[str]
    """Fields of the trace that differ at that step."""
    replayed_from: int | None
    """The step whose state both replays began from, 0 for the beginning; None where nothing was replayed."""
    not_replayed: list[str]
    """Why nothing was replayed, one sentence each."""
    parting: PartingPoint | None
    """Where the replays part; None where they do not, or were not made."""
    reproduced: list[str]
    """Run ids whose recorded trace came out of the replay on this machine."""
    conclusion: str
    """All of this in a sentence or two."""
    seconds: float
    """Wall time of the comparison."""
    finished: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _claim_holds(self) -> DivergenceRecord:
        if self.identical and self.first_different_step is not None:
            raise ValueError("identical runs have no step that differs")
        return self
