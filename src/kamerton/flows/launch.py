"""Launch: the processes that share a run are started by torchrun; the run's folder tells how it went."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kamerton.flows.follow import new_events
from kamerton.ground.errors import Interrupted, MachineError, RequestError, StorageError, VerdictError
from kamerton.ground.settings import Workspace
from kamerton.ground.signals import stop_signals
from kamerton.journal import RunFolder, read_events
from kamerton.records import RunRecord

__all__ = ["launch", "refuse_in_group"]

LOG = "launch.log"
"""In the run folder: what torchrun and its processes wrote."""

_EVERY_S = 0.5
"""How often the journal is looked into."""

_KINDS = {"VerdictError": VerdictError, "StorageError": StorageError}
"""Failures of a run that a door answers with an exit code of their own."""


def launch(
    run: RunFolder, workspace: Workspace, processes: int, told: Callable[[dict[str, Any]], None] | None = None
) -> RunRecord:
    """Train a run, or train on, with several processes on this machine.

    For several machines start `torchrun ... -m kamerton train --resume RUN` on each, with the workspace on a disk that
    all of them see.

    Args:
        told: called with each step and each validation, as the run's journal tells them.

    Raises:
        Interrupted: stopped; the error says how to go on.
        MachineError: a process died; the last checkpoint is whole.
    """
    # A chatter of warnings about its defaults would hide what the run says.
    environment = os.environ | {"KAMERTON_HOME": str(workspace.home), "TORCH_CPP_LOG_LEVEL": "ERROR"}
    environment.setdefault("OMP_NUM_THREADS", "1")
    log = run.path / LOG
    with (
        log.open("ab") as told_there,
        TemporaryDirectory(prefix="kamerton-launch-") as scratch,
        subprocess.Popen(
            _command(run, processes, scratch),
            env=environment,
            cwd=workspace.root,
            stdout=told_there,
            stderr=subprocess.STDOUT,
        ) as group,
    ):
        _wait(group, run, told or (lambda event: None))
    if run.record_file.exists():
        return RunRecord.read(run.record_file)
    raise _failure(run, group.returncode)


def _command(run: RunFolder, processes: int, scratch: str) -> list[str]:
    # torchrun would leave a folder of its own behind, one a run.
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", f"--log-dir={scratch}"]
    return [sys.executable, "-m", *torchrun, "-m", "kamerton", "train", "--resume", str(run.path)]


def refuse_in_group() -> None:
    """A process of a group must be told its run, or each would begin one of its own.

    Raises:
        RequestError: torchrun started this process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RequestError(
            "torchrun starts several processes, and each would begin a run of its own",
            expected="kamerton train RECIPE --on torchrun --processes N, which makes the run first",
            mend="or torchrun ... -m kamerton train --resume RUN with a run that is there already",
        )


def _wait(group: subprocess.Popen[bytes], run: RunFolder, told: Callable[[dict[str, Any]], None]) -> None:
    """Wait for the group; who interrupts us interrupts it, and it saves a checkpoint."""

    def hand_on(number: int, frame: object) -> None:
        group.send_signal(signal.SIGTERM)

    offset = run.events_file.stat().st_size if run.events_file.exists() else 0
    with stop_signals(hand_on):
        while group.poll() is None:
            events, offset = new_events(run, offset)
            for event in events:
                if event.get("kind") == "step":
                    told(event)
                if event.get("kind") == "evaluated":
                    told({"step": event["step"], "validation_loss": event["loss"]})
            time.sleep(_EVERY_S)


def _failure(run: RunFolder, code: int) -> Exception:
    """What the journal says of the end."""
    again = f"kamerton train --resume {run.run_id}"
    events = read_events(run.path)
    last = next((event for event in reversed(events) if event["kind"] in {"failed", "stopped"}), None)
    if last is not None and last["kind"] == "stopped":
        return Interrupted(f"stopped at step {last['step']}; a checkpoint is saved", where=run.run_id, mend=again)
    if last is not None:
        kind = _KINDS.get(str(last.get("error")), MachineError)
        return kind(str(last["reason"]), where=run.run_id, mend=again)
    return MachineError(
        f"a process of the run died (torchrun ended with {code}); {_last_checkpoint(run.checkpoints)}",
        where=str(run.path / LOG),
        mend=again,
    )


def _last_checkpoint(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("step-*"))
    return f"the last checkpoint is {found[-1]}" if found else "no checkpoint was written yet"
