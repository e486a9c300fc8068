"""`trace.jsonl`: one line an optimiser step, each sealed by a hash over itself and the line before.

A trace holds nothing that depends on time or place, so two runs of one recipe on one class of machine give the same
bytes. The chain shows every change among its lines; that none is missing at the end is shown by the record, which keeps
the hash of the last one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.files import storage_errors, write_text
from kamerton.journal.lines import append_line

__all__ = ["GENESIS", "TRACE", "Trace", "TraceStep", "first_difference", "read_trace"]

GENESIS = "0" * 64
"""The hash before the first line."""

TRACE = "trace.jsonl"


@dataclass(frozen=True)
class TraceStep:
    """One optimiser step."""

    step: int
    """From 1."""
    loss: float | None
    """Mean over the step's units (trained tokens, pairs); None where it was not finite."""
    grad_norm: float | None
    """L2 norm before clipping; None where it was not finite."""
    learning_rate: float
    """Rate that this step used."""
    tokens: int
    """Trained tokens of the step."""
    batch: str
    """Digest of the token ids and labels that the step saw."""
    state: str
    """Digest of the moving weights and the optimiser after the step, at regular checkpoints and the last step; else
    empty."""
    skipped: bool
    """The weights were left as they were (`skip_step` of `training.alarms`)."""
    previous: str
    """Hash of the line before."""
    hash: str
    """Digest of all fields above."""


def _seal(fields: dict[str, Any], previous: str) -> TraceStep:
    body = {**fields, "previous": previous}
    return TraceStep(**body, hash=digest(body))


class Trace:
    """Writes a run's trace; `keep` cuts it back to a checkpoint before a resumption."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TRACE
        self.head = GENESIS
        self.steps = 0
        self.last: TraceStep | None = None

    def keep(self, steps: int) -> None:
        """Keep the first `steps` lines, verified, and go on after them.

        Raises:
            StorageError: the trace is shorter, or its chain is broken.
        """
        # What stands after a checkpoint may be damaged by the fall that ended the run: it is not needed.
        kept = list(islice(_verified(self._path), steps))
        if len(kept) < steps:
            raise StorageError(
                f"the trace ends at step {len(kept)}, before the checkpoint at step {steps}", where=str(self._path)
            )
        write_text(self._path, "".join(canonical_json(asdict(step)) + "\n" for step in kept))
        self.last = kept[-1] if kept else None
        self.head = self.last.hash if self.last else GENESIS
        self.steps = steps

    def append(self, **fields: Any) -> TraceStep:
        """Append the next step: loss, grad_norm, learning_rate, tokens, batch, state, skipped."""
        step = _seal({"step": self.steps + 1, **fields}, self.head)
        append_line(self._path, asdict(step))
        self.last, self.head, self.steps = step, step.hash, step.step
        return step

    def sync(self) -> None:
        """Make all lines durable, so that no checkpoint is ahead of its trace."""
        with storage_errors(self._path), self._path.open("rb") as handle:
            os.fsync(handle.fileno())


def read_trace(folder: Path) -> list[TraceStep]:
    """The verified lines of a trace.

    Raises:
        StorageError: a line was changed, removed or put in; the step is named.
    """
    return list(_verified(folder / TRACE))


def _verified(path: Path) -> Iterator[TraceStep]:
    """The lines of a trace one by one, each verified; an unfinished last line (of a killed process) is passed over."""
    whole = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    previous = GENESIS
    for number, line in enumerate(whole, start=1):
        step = _parse(line)
        if step is None or (step.step, step.previous) != (number, previous):
            raise StorageError(f"the hash chain is broken at step {number}", where=str(path))
        yield step
        previous = step.hash


def _parse(line: bytes) -> TraceStep | None:
    """A line that is, byte for byte, what was written when its step was sealed; else None."""
    names = {field.name for field in fields(TraceStep)}
    try:
        document = json.loads(line.decode("utf-8"))
        if not isinstance(document, dict) or document.keys() != names:
            return None
        step = _seal({name: document[name] for name in names - {"previous", "hash"}}, document["previous"])
        return step if canonical_json(asdict(step)).encode("utf-8") == line else None
    except (ValueError, RequestError):  # not JSON, or numbers that JSON does not have
        return None


def first_difference(ours: Sequence[TraceStep], theirs: Sequence[TraceStep]) -> tuple[int, list[str]] | None:
    """The first step at which two traces part and the fields that differ there; None when they are equal.

    That one run sealed its state at a step and the other did not is no difference of what they did.
    """
    for mine, other in zip(ours, theirs, strict=False):
        if mine.hash != other.hash and (parted := _differences(asdict(mine), asdict(other))):
            return mine.step, parted
    if len(ours) != len(theirs):
        return min(len(ours), len(theirs)) + 1, ["steps"]
    return None


def _differences(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    both_sealed = left["state"] and right["state"]
    passed = {"hash", "previous"} | (set() if both_sealed else {"state"})
    return [key for key in left if key not in passed and left[key] != right[key]]
