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

__all__ = ["GENESIS", "Trace", "TraceStep", "first_difference", "read_trace"]

GENESIS = "0" * 64
"""The hash before the first line."""

_FILE = "trace.jsonl"


@dataclass(frozen=True)
class TraceStep:
    """One optimiser step."""

    step: int
    """From 1."""
    loss: float
    """Mean negative log-likelihood per trained token, in nats."""
    grad_norm: float
    """L2 norm before clipping."""
    learning_rate: float
    """Rate that this step used."""
    tokens: int
    """Trained tokens of the step."""
    batch: str
    """Digest of the token ids and labels that the step saw."""
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
        self._path = folder / _FILE
        self.head = GENESIS
        self.steps = 0

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
        self.head = kept[-1].hash if kept else GENESIS
        self.steps = steps

    def append(self, **fields: Any) -> TraceStep:
        """Append the next step: loss, grad_norm, learning_rate, tokens, batch."""
        step = _seal({"step": self.steps + 1, **fields}, self.head)
        append_line(self._path, asdict(step))
        self.head, self.steps = step.hash, step.step
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
    return list(_verified(folder / _FILE))


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
    """The first step at which two traces part and the fields that differ there; None when they are equal."""
    for mine, other in zip(ours, theirs, strict=False):
        if mine.hash != other.hash:
            left, right = asdict(mine), asdict(other)
            return mine.step, [key for key in left if key != "hash" and left[key] != right[key]]
    if len(ours) != len(theirs):
        return min(len(ours), len(theirs)) + 1, ["steps"]
    return None
