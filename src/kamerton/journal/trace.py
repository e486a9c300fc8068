"""`trace.jsonl`: one line an optimiser step, each sealed by a hash over itself and the line before.

A trace holds nothing that depends on time or place, so two runs of one recipe on one class of machine give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, write_text
from kamerton.journal.lines import append_line, read_lines

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
        kept = read_trace(self._path.parent)[:steps]
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
    path = folder / _FILE
    steps: list[TraceStep] = []
    previous = GENESIS
    for number, document in enumerate(read_lines(path), start=1):
        body = {key: value for key, value in document.items() if key != "hash"}
        if document.get("step") != number or body.get("previous") != previous or digest(body) != document.get("hash"):
            raise StorageError(f"the hash chain is broken at step {number}", where=str(path))
        steps.append(TraceStep(**document))
        previous = document["hash"]
    return steps


def first_difference(ours: Sequence[TraceStep], theirs: Sequence[TraceStep]) -> tuple[int, list[str]] | None:
    """The first step at which two traces part and the fields that differ there; None when they are equal."""
    for mine, other in zip(ours, theirs, strict=False):
        if mine.hash != other.hash:
            left, right = asdict(mine), asdict(other)
            return mine.step, [key for key in left if key != "hash" and left[key] != right[key]]
    if len(ours) != len(theirs):
        return min(len(ours), len(theirs)) + 1, ["steps"]
    return None
