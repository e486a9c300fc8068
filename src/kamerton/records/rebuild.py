"""What is remembered of a rebuild: whether the same bits came out again, and what differs where they did not."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from kamerton.records.base import Record

__all__ = ["RebuildRecord", "SegmentRecord"]


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
    """Both digests are equal, and so is every line of the trace."""
    machine_class_equal: bool
    """The same class of machine: only then can bits be promised."""
    class_differences: list[str]
    """Where the machine classes part, one sentence each."""
    first_different_step: int | None
    """First optimiser step, from 1, whose trace line differs; None where none does."""
    different_fields: list[str]
    """Fields of the trace that differ at that step."""
    what_changed: list[str]
    """Where recipe, data, base, code, trace or model are no longer those of the run, one sentence each."""
    restored: list[str] = []
    """Files of the finished model that had been changed or removed, and are now as recorded, one sentence each."""
    seconds: float
    """Wall time of the rebuild."""
    finished: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _claim_holds(self) -> RebuildRecord:
        same = self.recorded_sha256 == self.rebuilt_sha256 and self.first_different_step is None
        if self.identical != same:
            raise ValueError("identical must say whether the digests are equal and no step differs")
        return self


class SegmentRecord(Record):
    """Some steps of a run made again from a checkpoint, compared with the lines that its trace has of them."""

    kind: Literal["segment"] = "segment"
    run_id: str
    """The run that was audited."""
    begin: int
    """The step whose checkpoint the replay began from; 0 is the beginning of the run."""
    end: int
    """The last step of the segment; the trace seals the state after it."""
    seed: int | None
    """What drew the segment; None where it was asked for."""
    run_steps: int
    """Steps that the run has in all."""
    compared: int
    """Steps that were made again and compared."""
    identical: bool
    """Nothing was changed, and each step of the segment came out with the recorded bits."""
    machine_class_equal: bool
    """The same class of machine, as far as the run recorded it: only then can bits be promised."""
    class_differences: list[str]
    """Where the machine classes part, one sentence each."""
    first_different_step: int | None
    """First step whose trace line differs; None where none does."""
    different_fields: list[str]
    """Fields of the trace that differ at that step."""
    what_changed: list[str]
    """Where recipe, data, base, trace, checkpoint or model are no longer those of the run, one sentence each."""
    seconds: float
    """Wall time of the audit, with loading and all checks."""
    replay_seconds: float
    """Wall time of the steps alone."""
    run_seconds: float | None
    """Wall time of the run's training; None where it is not finished."""
    finished: str
    """UTC, ISO 8601."""

    @model_validator(mode="after")
    def _claim_holds(self) -> SegmentRecord:
        clean = not self.what_changed and self.first_different_step is None and self.compared == self.end - self.begin
        if self.identical != clean:
            raise ValueError("identical must say whether all steps were compared and nothing differs")
        return self
