"""`events.jsonl`: what happened in a run and when, for people and followers; it takes no part in any proof."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kamerton.journal.lines import append_line, read_lines

__all__ = ["EVENTS", "append_event", "processes_of_steps", "read_events"]

EVENTS = "events.jsonl"


def append_event(folder: Path, kind: str, **fields: Any) -> None:
    """Append one event: `kind`, the UTC time, and JSON-able fields.

    Kinds in use: `started` and `resumed` (steps, processes), `step` (step, loss, learning_rate, grad_norm,
    tokens_per_second, seconds, memory_mib, metrics), `evaluated` (step, loss, error, metrics), `alarm` (alarm, step,
    severity, symptom, evidence, cause, change), `saved` (step), `stopped` (reason), `failed` (reason), `finished`,
    `machine` (recipe, code and environment of an attempt).
    """
    append_line(folder / EVENTS, {"kind": kind, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields})


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, oldest first."""
    return read_lines(folder / EVENTS)


def processes_of_steps(folder: Path) -> dict[int, int]:
    """How many processes made each step; of a step that was made again, how many made it last."""
    made, processes = dict[int, int](), 1
    for event in read_events(folder):
        if event["kind"] in {"started", "resumed"}:
            processes = int(event.get("processes", 1))
        elif event["kind"] == "step":
            made[int(event["step"])] = processes
    return made
