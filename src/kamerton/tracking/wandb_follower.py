"""From the journal to Weights & Biases.

Where it goes is said by the environment alone: with `WANDB_API_KEY` to the server, otherwise (or with
`WANDB_MODE=offline`) into `.kamerton/wandb/RUN`, which `wandb sync` uploads later; `WANDB_MODE=disabled` tells it
nothing. An offline run is made anew, whole, by each process that has something to add; an online run is continued after
the last step that the server has. So in both no step is told twice, whenever a follower was killed.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from kamerton.ground.digests import digest
from kamerton.ground.errors import RequestError
from kamerton.ground.files import storage_errors
from kamerton.ground.need import need
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, RunState
from kamerton.records import RunRecord
from kamerton.tracking.cursor import Cursor, read_cursor, read_entries, write_cursor
from kamerton.tracking.measures import alarm_name, alarm_sentence, lineage, measures

__all__ = ["follow", "wandb_folder"]

_NAME = "wandb"
_BATCH_EVENTS = 1000
_CONNECT_S = 10.0
_FINISH_S = 60.0
_EXIT: dict[RunState, int] = {"complete": 0, "stopped": 0, "failed": 1}

_Mode = Literal["online", "offline", "disabled"]


def wandb_folder(run: RunFolder, workspace: Workspace) -> Path:
    """Where W&B keeps what it was told of the run."""
    return workspace.home / "wandb" / run.run_id


def follow(run: RunFolder, workspace: Workspace) -> Iterator[int]:
    """Bring W&B up to date; yields the number of events that were handed over.

    While the run goes on the session stays open for the next call of this process; the cursor is written when W&B has
    confirmed the end.

    Raises:
        MissingExtraError: W&B is not installed.
        RequestError: the environment names no way that exists.
    """
    mode = _mode()
    state = run.state
    tracker = digest([mode, os.environ.get("WANDB_BASE_URL", ""), str(wandb_folder(run, workspace))])
    journal = run.events_file
    whole = Cursor(tracker=tracker, offset=journal.stat().st_size if journal.exists() else 0, state=state)
    if mode == "disabled" or read_cursor(run.path, _NAME) == whole:
        return
    session = _session(run, wandb_folder(run, workspace), mode)
    while entries := read_entries(journal, session.offset, _BATCH_EVENTS):
        for entry in entries:
            session.tell(entry.document)
        session.offset = entries[-1].end
        yield len(entries)
    if state != "running":
        _session.cache_clear()
        session.end(run, state)
        write_cursor(run.path, whole.model_copy(update={"offset": session.offset}), _NAME)
        yield 1


def _mode() -> _Mode:
    """Where to: never to a server without a key in the environment, so that none is looked for elsewhere."""
    key = bool(os.environ.get("WANDB_API_KEY"))
    asked = os.environ.get("WANDB_MODE", "").strip().lower() or ("online" if key else "offline")
    if asked == "online" and not key:
        raise RequestError("WANDB_MODE is online, but WANDB_API_KEY is not set", mend="export WANDB_MODE=offline")
    for mode in ("online", "offline", "disabled"):
        if asked == mode:
            return mode
    raise RequestError(f"no W&B mode {asked!r}", where="WANDB_MODE", expected="online, offline or disabled")


class _Session:
    """W&B's own handle of the run, and how far this process has told it."""

    def __init__(self, handle: Any, first: int) -> None:
        self.offset = 0
        self._handle = handle
        self._first = first
        """The first step that W&B does not have."""
        self._told = first - 1

    def tell(self, event: Mapping[str, Any]) -> None:
        """Hand over one event; a step that an interrupted attempt had told already is the same and not told again."""
        if event.get("kind") == "alarm":
            self._handle.summary[f"alarm/{alarm_name(event)}"] = alarm_sentence(event)
        numbers = {f"{part}/{name}": value for part, name, value in measures(event)}
        if not numbers:
            return
        step = int(event["step"])
        again = step <= self._told if event["kind"] == "step" else step < max(self._told, self._first)
        if not again:
            self._handle.log(numbers, step=step)
            self._told = max(step, self._told)

    def end(self, run: RunFolder, state: RunState) -> None:
        """Close the run at W&B; returns when all is there."""
        if state == "complete":
            for name, value in lineage(RunRecord.read(run.record_file)).items():
                self._handle.summary[f"kamerton/{name}"] = value
        self._handle.finish(exit_code=_EXIT[state])


@cache
def _session(run: RunFolder, folder: Path, mode: _Mode) -> _Session:
    """The session of this process with W&B, opened once."""
    wandb = need("wandb", "wandb")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    with storage_errors(folder):
        if mode == "offline":
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    recipe = run.recipe()
    settings = wandb.Settings(
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        init_timeout=_CONNECT_S,
        finish_timeout=_FINISH_S,
        finish_timeout_raises=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        # Folders are named by the second: what is left of a follower that was killed in this one may still write.
        x_sync_dir_suffix=secrets.token_hex(4),
    )
    try:
        handle = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or recipe["tracking"]["experiment"] or recipe["name"],
            id=digest(run.run_id)[:16],
            name=run.run_id,
            config=recipe,
            dir=folder,
            mode=mode,
            resume="allow" if mode == "online" else None,
            reinit="create_new",
            settings=settings,
        )
    except wandb.Error:
        wandb.teardown()  # its service would go on holding the id, and the next attempt could not take it
        raise
    return _Session(handle, handle.step)
