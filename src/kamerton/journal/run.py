"""The run folder: `recipe.json` first, the journal while it runs, `record.json` last."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from kamerton.ground.digests import canonical_json
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.files import storage_errors, write_text
from kamerton.ground.locks import take_lock
from kamerton.ground.settings import Workspace
from kamerton.journal.events import EVENTS, append_event, read_events
from kamerton.journal.trace import TRACE

__all__ = ["RunFolder", "RunState", "find_run", "list_runs"]

RunState = Literal["running", "complete", "stopped", "failed"]

_PATIENCE_S = 0.5
"""Who asks for the state of a run holds its lock for a moment: to take the lock for good, wait that out."""


_RANKS = "ranks"
"""Below a run: the journals of the other processes that share it, by rank."""


@dataclass(frozen=True)
class RunFolder:
    """A folder whose files are the truth about one run."""

    path: Path

    @classmethod
    def create(cls, parent: Path, recipe: dict[str, Any], name: str) -> RunFolder:
        """A new folder below `parent` (normally the workspace's runs), with the resolved recipe in it."""
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder = cls(parent / f"{name}-{stamp}-{secrets.token_hex(2)}")
        with storage_errors(folder.path):
            folder.path.mkdir(parents=True)
        write_text(folder.path / "recipe.json", canonical_json(recipe) + "\n")
        return folder

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """Those of the run; the processes that share it have them together."""
        whole = self.path.parents[1] if self.path.parent.name == _RANKS else self.path
        return whole / "checkpoints"

    @property
    def trace_file(self) -> Path:
        return self.path / TRACE

    @property
    def events_file(self) -> Path:
        return self.path / EVENTS

    def of_rank(self, rank: int) -> RunFolder:
        """Where another of the processes that share the run keeps its journal."""
        folder = RunFolder(self.path / _RANKS / str(rank))
        with storage_errors(folder.path):
            folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def model(self) -> Path:
        """The finished model: adapter or full weights, tokenizer, template."""
        return self.path / "model"

    @property
    def record_file(self) -> Path:
        return self.path / "record.json"

    def recipe(self) -> dict[str, Any]:
        """The resolved recipe that the run was started with."""
        try:
            recipe = json.loads((self.path / "recipe.json").read_text(encoding="utf-8"))
            if not isinstance(recipe, dict):
                raise ValueError("not a mapping")
            return recipe
        except (FileNotFoundError, ValueError) as error:
            raise StorageError(
                "the run's recipe is missing or damaged", where=str(self.path / "recipe.json")
            ) from error

    def event(self, kind: str, **fields: Any) -> None:
        """Append to the run's events."""
        append_event(self.path, kind, **fields)

    @property
    def state(self) -> RunState:
        """`running` while a process holds the lock; else what the files say."""
        if self.record_file.exists():
            return "complete"
        if self._is_held():
            return "running"
        events = read_events(self.path)
        return "failed" if events and events[-1].get("kind") == "failed" else "stopped"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run for this process; the kernel lets go of it however the process ends.

        Raises:
            RequestError: another process holds it.
        """
        with storage_errors(self.path), self._lock_file.open("a") as handle:
            if not take_lock(handle, patience_s=_PATIENCE_S):
                raise RequestError(
                    "the run is running in another process",
                    where=self.run_id,
                    mend=f"kamerton watch {self.run_id}, or kamerton stop {self.run_id}",
                )
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            self.stop_file.unlink(missing_ok=True)
            yield

    @property
    def stop_file(self) -> Path:
        """Its presence asks the running process to save and stop."""
        return self.path / "stop"

    def request_stop(self) -> None:
        """Ask the running process to save a checkpoint and stop."""
        write_text(self.stop_file, "stop\n")

    @property
    def _lock_file(self) -> Path:
        return self.path / "run.lock"

    def _is_held(self) -> bool:
        if not self._lock_file.exists():
            return False
        with self._lock_file.open("r") as handle:
            return not take_lock(handle, shared=True, patience_s=0.0)


def list_runs(workspace: Workspace) -> list[RunFolder]:
    """All runs of a workspace, oldest first."""
    folders = [path for path in workspace.runs.glob("*") if (path / "recipe.json").exists()]
    return [RunFolder(path) for path in sorted(folders, key=lambda path: (path / "recipe.json").stat().st_mtime_ns)]


def find_run(workspace: Workspace, name: str) -> RunFolder:
    """A run by its id, an unambiguous beginning of it, its path, or `last`.

    Raises:
        RequestError: none or several match.
    """
    if name and (Path(name) / "recipe.json").exists():
        return RunFolder(Path(name).resolve())
    runs = list_runs(workspace)
    if name == "last" and runs:
        return runs[-1]
    exact = [run for run in runs if run.run_id == name]
    found = exact or [run for run in runs if name and run.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    what = "several runs begin so" if found else "no such run"
    expected = " or ".join(run.run_id for run in found[:3]) or "a run id, its beginning, or last"
    raise RequestError(what, where=name or "''", expected=expected, mend="kamerton runs")
