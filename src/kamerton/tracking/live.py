"""Following a run while it trains, from a process of its own.

A thread would be simpler, but importing MLflow and opening its database holds the interpreter lock for about 2.5 s of
processor time, which stops the training loop in pieces, adds some 170 MB to the training process, and a request that
hangs would have to be waited for at the end. A process at low priority shares nothing with training but the
run folder, reads the journal like anybody else, and can be ended at any moment because the cursor is on disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.tracking.follower import SyncReport

__all__ = ["LiveFollower"]


class LiveFollower:
    """Follows a run while the `with` block trains; `report` tells afterwards how far the tracker came.

    The follower ends when its standard input does: at the end of the block, or when this process is killed, and in
    both cases after a last synchronisation.
    """

    def __init__(self, run: RunFolder, workspace: Workspace, *, every: float = 5.0, grace: float = 5.0) -> None:
        """
        Args:
            run: a run whose lock this process holds.
            workspace: names the tracker.
            every: seconds between synchronisations.
            grace: most seconds that the end of the block waits for the last one.
        """
        self.report = SyncReport(0, "behind", "not started")
        self._run = run
        self._workspace = workspace
        self._every = every
        self._grace = grace
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        arguments = [str(self._run.path), str(self._workspace.root), str(self._every)]
        # Where the training program speaks to W&B itself, its service is not the follower's to use or to end.
        environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kamerton.tracking.follow", *arguments],  # -P: no http.py of the project
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for the training; the follower still has the end to tell
                env=environment | {"KAMERTON_HOME": str(self._workspace.home)},
            )
        except OSError as error:
            self.report = SyncReport(0, "behind", f"the follower cannot be started: {error}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.report = self._finish(self._process)

    def _finish(self, process: subprocess.Popen[str]) -> SyncReport:
        try:
            printed, _ = process.communicate(timeout=self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=1.0)
            return SyncReport(0, "behind", f"the tracker took longer than {self._grace:g} s at the end")
        try:
            return SyncReport(**json.loads(printed.splitlines()[-1]))
        except (ValueError, TypeError, IndexError):
            return SyncReport(0, "behind", f"the follower ended early (exit code {process.returncode})")
