"""Locks between processes, kept on files: the kernel lets go of them however a process ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kamerton.ground.files import make_folder, storage_errors

__all__ = ["held", "take_lock"]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file at a path, made where it is missing, as soon as no other process does.

    Raises:
        StorageError: the file cannot be made.
    """
    make_folder(path.parent)
    with storage_errors(path), path.open("a") as handle:
        take_lock(handle)
        yield


def take_lock(handle: IO[str], *, shared: bool = False, patience_s: float | None = None) -> bool:
    """Lock an open file until it is closed; False when another process keeps it for longer than the patience.

    Args:
        shared: several may hold it, as long as nobody holds it alone.
        patience_s: seconds of trying; None waits as long as it takes.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if patience_s is None:
        fcntl.flock(handle, kind)
        return True
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        else:
            return True
