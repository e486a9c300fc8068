"""One command in a fresh process: wall time, processor time and peak memory.

The peak is that of the command and all processes that it starts, together: five times a second their proportional
set sizes (PSS: a page that several share counts once) are summed up. What the largest process had at its peak by the
kernel's own count is taken where it is more, since that misses nothing in between.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["KAMERTON", "Measured", "measure"]

KAMERTON = [sys.executable, "-m", "kamerton"]


@dataclass(frozen=True)
class Measured:
    """What one process cost, its children that it waited for included in the processor time."""

    wall: float
    cpu: float
    peak_mib: float
    code: int
    output: str


def measure(command: Sequence[str], folder: Path) -> Measured:
    """Run a command in a folder and wait for it; standard error goes through."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with _Together(process.pid) as together:
        output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    return Measured(
        wall,
        usage.ru_utime + usage.ru_stime,
        max(usage.ru_maxrss / 1024, together.peak_mib),
        os.waitstatus_to_exitcode(status),
        output,
    )


class _Together:
    """The most memory that a process and all below it had at one time."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> _Together:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self._pid)
                sizes = [_pss(each) for each in (process, *process.children(recursive=True))]
                self.peak_mib = max(self.peak_mib, sum(sizes) / 2**20)


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has just ended
        return 0
