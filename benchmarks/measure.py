"""One command in a fresh process: wall time, processor time and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    return Measured(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        os.waitstatus_to_exitcode(status),
        output,
    )
