"""What is remembered of a rebuild: whether the same bits came out again, and what differs where they did not."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from kamerton.records.base import Record

__all__ = ["RebuildRecord"]


class RebuildRecord(Record):
    """A model made again from its record, compared with the first one."""

    kind: Literal["rebuild"] = "rebuild"
    run_id: str
    """The run that was rebuilt."""
    recorded_sha256: str
    """SHA-256 of the weights as the run recorded them."""
    rebuilt_sha256: str | None
    """SHA-256 of the weights made now; None where the rebuild stopped before weights were written."""
    identical: bool
    """Both digests are equal."""
    machine_class_equal: bool
    """The same class of machine: only then can bits be promised."""
    class_differences: list[str]
    """Where the machine classes part, one sentence each."""
    first_different_step: int | None
    """First optimiser step, from 1, whose trace line differs; None where none does."""
    different_fields: list[str]
    """Fields of the trace that differ at that step."""
    what_changed: list[str]
    """Where recipe, data or base are no longer those of the run, one sentence each."""
    seconds: float
    """Wall time of the rebuild."""
    finished: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _claim_holds(self) -> RebuildRecord:
        if self.identical != (self.recorded_sha256 == self.rebuilt_sha256):
            raise ValueError("identical must say whether recorded_sha256 equals rebuilt_sha256")
        return self
