"""One command in a fresh process: wall time, processor time and peak memory.

The peak is that of the command and all processes that it starts, together: five times a second their proportional
set sizes (PSS: a page that several share counts once) are summed up. What the largest process had at its peak by the
kernel's own count is taken where it is more, since that misses nothing in between; `getrusage` would not do, because it
also counts what this process has when it starts another.
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
        together.peak_mib,
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
                sizes = [_sizes(each) for each in (process, *process.children(recursive=True))]
                together = sum(pss for pss, _ in sizes)
                self.peak_mib = max(self.peak_mib, *(peak for _, peak in sizes), together)


def _sizes(process: psutil.Process) -> tuple[float, float]:
    """Memory of a process now, shared pages in parts, and its own peak, in MiB; nothing where it has just ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
        return process.memory_full_info().pss / 2**20, peak
    except (psutil.Error, OSError, StopIteration):
        return 0.0, 0.0
