"""How far a follower has come: one file a follower in the run folder, replaced after every batch that was accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from kamerton.ground.digests import canonical_json
from kamerton.ground.files import write_text
from kamerton.records.base import Part

__all__ = ["Cursor", "Entry", "read_cursor", "read_entries", "write_cursor"]

_FILES = {"mlflow": "follower.json", "tensorboard": "follower_tensorboard.json", "wandb": "follower_wandb.json"}


class Cursor(Part):
    """What one tracker is known to have accepted of one run. Losing it costs a repetition, never a wrong number."""

    tracker: str = ""
    """Digest of the tracker's address: another tracker starts from the beginning; the address may hold a password."""
    tracker_run: str = ""
    """The tracker's own id of the run."""
    described: bool = False
    """Whether the parameters are there."""
    offset: int = 0
    """Bytes of `events.jsonl` that are there."""
    size: int = 0
    """Bytes of the tracker's own file that hold them; 0 where it keeps none."""
    record: str = ""
    """SHA-256 of the `record.json` whose tags and inputs are there."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each artifact that is there."""
    state: str = ""
    """The run's state as the tracker shows it."""


def read_cursor(run: Path, follower: str) -> Cursor:
    """A follower's cursor of the run; a missing or damaged one is an empty one."""
    try:
        return Cursor.model_validate_json((run / _FILES[follower]).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, ValidationError):
        return Cursor()


def write_cursor(run: Path, cursor: Cursor, follower: str) -> None:
    """Write the cursor whole."""
    write_text(run / _FILES[follower], canonical_json(cursor.model_dump(mode="json")) + "\n")


@dataclass(frozen=True)
class Entry:
    """One whole line of `events.jsonl`."""

    document: dict[str, Any]
    """Empty for the rest of a line that a killed process left."""
    end: int
    """Byte offset of the next line."""


def read_entries(events: Path, offset: int, limit: int) -> list[Entry]:
    """At most `limit` whole lines from `offset` on; a line that is still being written is left for the next time."""
    if not events.exists() or events.stat().st_size <= offset:
        return []
    return list(islice(_whole_lines(events, offset), limit))


def _whole_lines(events: Path, offset: int) -> Iterator[Entry]:
    with events.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                document = json.loads(line)
            except ValueError:
                document = {}
            yield Entry(document if isinstance(document, dict) else {}, offset)
