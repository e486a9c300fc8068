"""A follower reads the run's journal from where it stopped and brings its tracker up to date.

Live following and catching up later are the same call: running it again does nothing, and whatever it could not deliver
stays in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from kamerton.ground.errors import KamertonError
from kamerton.ground.locks import take_lock
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.journal.lines import append_line, read_lines
from kamerton.tracking.store import connect, without_secrets

__all__ = ["SyncReport", "sync"]

_LOG = "follower.jsonl"


@dataclass(frozen=True)
class SyncReport:
    """What a synchronisation did."""

    sent: int
    """Journal events, descriptions and files that the tracker accepted this time."""
    state: Literal["in step", "behind"]
    """`in step`: the tracker holds all that the journal holds."""
    reason: str = ""
    """Why it is behind, or why there was nothing to follow."""


class _BusyError(Exception):
    """Another process is following the run."""


def sync(run: RunFolder, workspace: Workspace, *, wait: float = 20.0) -> SyncReport:
    """Bring the run's tracker up to date; never raises, whatever the tracker does.

    Args:
        run: a run in any state.
        workspace: names the tracker (`Workspace.tracking_uri`).
        wait: seconds to wait for another process that is following the same run.
    """
    count = _Count()
    try:
        followers = run.recipe()["tracking"]["followers"]
        if "mlflow" not in followers:
            return SyncReport(0, "in step", "the recipe names no follower")
        with _alone(run, wait):
            from kamerton.tracking.mlflow_follower import follow

            for accepted in follow(connect(workspace), run, workspace):
                count.sent += accepted
    except _BusyError:
        return SyncReport(0, "behind", "another process is following this run")
    except Exception as error:  # a follower may fail in any way that a tracker's library can; training must not notice
        report = SyncReport(count.sent, "behind", _reason(error))
    else:
        report = SyncReport(count.sent, "in step")
    _note(run, report)
    return report


@dataclass
class _Count:
    sent: int = 0


def _reason(error: Exception) -> str:
    if isinstance(error, KamertonError):
        return without_secrets(f"{error.where}: {error.what}" if error.where else error.what)
    first = str(error).splitlines()[0] if str(error) else ""
    return without_secrets(f"{type(error).__name__}: {first}"[:500])


@contextmanager
def _alone(run: RunFolder, wait: float) -> Iterator[None]:
    """One follower a run: two would create two runs in the tracker."""
    with (run.path / "follower.lock").open("w") as handle:
        if not take_lock(handle, patience_s=wait):
            raise _BusyError
        yield


def _note(run: RunFolder, report: SyncReport) -> None:
    """One line where the state changed, so that a server away for a day leaves one line and not thousands.

    It goes to the follower's own file: `events.jsonl` is the run's, and its last line decides the run's state.
    """
    lines = read_lines(run.path / _LOG)
    before = lines[-1].get("state") if lines else "in step"
    if report.state != before:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            append_line(run.path / _LOG, {"time": now, "state": report.state, "reason": report.reason})
        except (KamertonError, OSError):
            return  # a full disk: the report says it, and the journal is untouched
