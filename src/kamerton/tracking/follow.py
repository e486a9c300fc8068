"""The process behind `LiveFollower`: `python -m kamerton.tracking.follow RUN_DIR WORKSPACE SECONDS`."""

from __future__ import annotations

import json
import os
import select
import sys
from dataclasses import asdict, replace
from pathlib import Path

from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.tracking.follower import SyncReport, sync

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Synchronise every so many seconds until standard input ends, then once more, and print the last report."""
    run, workspace, every = RunFolder(Path(arguments[0])), Workspace.at(arguments[1]), float(arguments[2])
    os.nice(10)
    sent = 0
    report: SyncReport
    ended = False
    while True:
        report = sync(run, workspace)
        sent += report.sent
        if ended:
            break
        ended = _input_ended(every)
    sys.stdout.write(json.dumps(asdict(replace(report, sent=sent))))


def _input_ended(seconds: float) -> bool:
    """Whether standard input ends within so many seconds; nothing is ever written to it."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and sys.stdin.read(1) == ""


if __name__ == "__main__":
    main(sys.argv[1:])
