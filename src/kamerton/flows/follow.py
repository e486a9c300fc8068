"""Follow runs: what runs and ran, live progress, a clean stop, trackers brought up to date."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run, list_runs, read_events

if TYPE_CHECKING:
    from kamerton.tracking import SyncReport

__all__ = ["new_events", "runs", "stop", "sync_runs", "watch"]

_LINES = 1000
"""Lines of a journal read at once."""


def runs(workspace: Workspace | None = None) -> list[dict[str, Any]]:
    """One document a run, oldest first: run_id, state, step, steps, loss, validation_loss, started."""
    return [_summary(run) for run in list_runs(workspace or Workspace.at())]


def watch(
    name: str, workspace: Workspace | None = None, *, every: float = 0.5, history: bool = False
) -> Iterator[dict[str, Any]]:
    """The events of a run as they come; ends when the run does.

    Args:
        every: seconds between looks into the journal; each look reads only what is new there.
        history: begin with the first event; without it with the newest step.
    """
    run = find_run(workspace or Workspace.at(), name)
    offset, begun = 0, history
    while True:
        running = run.state == "running"
        events, offset = new_events(run, offset)
        yield from events if begun else _from_newest_step(events)
        begun = begun or bool(events)
        if not running:
            return
        time.sleep(every)


def new_events(run: RunFolder, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The events of a run from a byte of its journal on, and the byte after them."""
    from kamerton.tracking.cursor import read_entries

    events: list[dict[str, Any]] = []
    while entries := read_entries(run.events_file, offset, _LINES):
        events += [entry.document for entry in entries if entry.document]
        offset = entries[-1].end
    return events, offset


def stop(name: str, workspace: Workspace | None = None, *, wait: float = 60.0) -> RunFolder:
    """Ask a run to save a checkpoint and stop; waits until it did.

    Args:
        wait: seconds to wait at most.

    Raises:
        RequestError: the run is not running, or did not stop in time.
    """
    run = find_run(workspace or Workspace.at(), name)
    if run.state != "running":
        raise RequestError(f"the run is {run.state}, not running", where=run.run_id, mend="kamerton runs")
    run.request_stop()
    deadline = time.monotonic() + wait
    while run.state == "running":
        if time.monotonic() > deadline:
            raise RequestError("the run has not stopped yet; it will at the end of its step", where=run.run_id)
        time.sleep(0.2)
    return run


def sync_runs(name: str | None = None, workspace: Workspace | None = None) -> dict[str, SyncReport]:
    """Bring the trackers up to date with one run or all runs."""
    from kamerton.tracking import sync

    place = workspace or Workspace.at()
    chosen = [find_run(place, name)] if name else list_runs(place)
    return {run.run_id: sync(run, place) for run in chosen}


def _from_newest_step(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    steps = [index for index, event in enumerate(events) if event["kind"] == "step"]
    return events[steps[-1] :] if steps else events


def _summary(run: RunFolder) -> dict[str, Any]:
    events = read_events(run.path)
    steps = [event for event in events if event["kind"] == "step"]
    checks = [event for event in events if event["kind"] == "evaluated"]
    return {
        "run_id": run.run_id,
        "state": run.state,
        "step": steps[-1]["step"] if steps else 0,
        "steps": steps[-1]["steps"] if steps else None,
        "loss": steps[-1]["loss"] if steps else None,
        "validation_loss": checks[-1]["loss"] if checks else None,
        "started": events[0]["time"] if events else None,
    }
