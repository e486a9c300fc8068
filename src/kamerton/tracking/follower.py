"""A follower reads the run's journal from where it stopped and brings its tracker up to date.

Live following and catching up later are the same call: running it again does nothing, and whatever it could not deliver
stays in the journal. Each follower fails alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from kamerton.ground.errors import KamertonError, RequestError
from kamerton.ground.locks import take_lock
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.journal.lines import append_line, read_lines
from kamerton.tracking.store import without_secrets

__all__ = ["SyncReport", "sync", "unavailable"]

_LOG = "follower.jsonl"
_FOLLOWERS = {
    "tensorboard": "kamerton.tracking.tensorboard_follower",
    "mlflow": "kamerton.tracking.mlflow_follower",
    "wandb": "kamerton.tracking.wandb_follower",
}
"""Each has `follow(run, workspace)`, which yields what it delivered. The order is that of the work: what is written to
this disk first, so that a server that does not answer holds up nobody."""


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
    """Bring the run's trackers up to date; never raises, whatever a tracker does.

    Args:
        run: a run in any state.
        workspace: names the trackers' places (`Workspace.tracking_uri`, its home).
        wait: seconds to wait for another process that is following the same run.
    """
    try:
        asked = run.recipe()["tracking"]["followers"]
        if not asked:
            return SyncReport(0, "in step", "the recipe names no follower")
        with _alone(run, wait):
            reports = [_bring(name, run, workspace) for name in _in_order(asked)]
    except _BusyError:
        return SyncReport(0, "behind", "another process is following this run")
    except Exception as error:  # a damaged run folder; training must not notice
        report = SyncReport(0, "behind", _reason(error))
        _note(run, "", report)
        return report
    return _together(reports)


def unavailable(followers: Sequence[str]) -> list[str]:
    """A sentence for each follower whose package is not installed, with the command that installs it."""
    return [
        f"{name} is not installed, so it is not told of the run until: pip install 'kamerton[{name}]'"
        for name in _in_order(followers)
        if find_spec(name) is None
    ]


def _in_order(names: Sequence[str]) -> list[str]:
    """Each name once, in the order of the work; one that is unknown comes last and fails by itself."""
    known = [name for name in _FOLLOWERS if name in names]
    return known + sorted(set(names) - set(known))


def _bring(name: str, run: RunFolder, workspace: Workspace) -> SyncReport:
    """Bring one tracker up to date."""
    sent = 0
    try:
        if name not in _FOLLOWERS:
            raise RequestError("there is no such follower", expected=", ".join(sorted(_FOLLOWERS)))
        for accepted in import_module(_FOLLOWERS[name]).follow(run, workspace):
            sent += accepted
    except Exception as error:  # a follower may fail in any way that a tracker's library can; training must not notice
        report = SyncReport(sent, "behind", f"{name}: {_reason(error)}")
    else:
        report = SyncReport(sent, "in step")
    _note(run, name, report)
    return report


def _together(reports: Sequence[SyncReport]) -> SyncReport:
    behind = [report.reason for report in reports if report.state == "behind"]
    return SyncReport(sum(report.sent for report in reports), "behind" if behind else "in step", "; ".join(behind))


def _reason(error: Exception) -> str:
    if isinstance(error, KamertonError):
        sentence = f"{error.where}: {error.what}" if error.where else error.what
        return without_secrets(f"{sentence}; {error.mend}" if error.mend else sentence)
    first = str(error).splitlines()[0] if str(error) else ""
    return without_secrets(f"{type(error).__name__}: {first}"[:500])


@contextmanager
def _alone(run: RunFolder, wait: float) -> Iterator[None]:
    """One follower a run: two would create two runs in the tracker."""
    with (run.path / "follower.lock").open("w") as handle:
        if not take_lock(handle, patience_s=wait):
            raise _BusyError
        yield


def _note(run: RunFolder, follower: str, report: SyncReport) -> None:
    """One line where a follower's state changed, so that a server away for a day leaves one line and not thousands.

    It goes to the follower's own file: `events.jsonl` is the run's, and its last line decides the run's state.
    """
    lines = read_lines(run.path / _LOG)
    # A line of an older run names no follower: it is MLflow's, which was the only one.
    before = [line.get("state") for line in lines if line.get("follower", "mlflow") == follower]
    if report.state != (before[-1] if before else "in step"):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"time": now, "follower": follower, "state": report.state, "reason": report.reason}
        try:
            append_line(run.path / _LOG, line)
        except (KamertonError, OSError):
            return  # a full disk: the report says it, and the journal is untouched
