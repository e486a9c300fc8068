"""Files are written whole or not at all, and system errors become sentences."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kamerton.ground.errors import RequestError, StorageError

__all__ = [
    "confined",
    "make_folder",
    "storage_errors",
    "swap_folder",
    "sync_folder",
    "write_bytes",
    "write_text",
    "writing",
]

_REASONS = {
    errno.ENOSPC: ("no space is left on the disk", "free some space, then run the command again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, then run the command again"),
    errno.EFBIG: ("the file grows beyond the limit that is set for it", "raise the limit: ulimit -f unlimited"),
    errno.EACCES: ("permission denied", "choose a folder that you may write, or set KAMERTON_HOME"),
    errno.EPERM: ("operation not permitted", "choose a folder that you may write, or set KAMERTON_HOME"),
    errno.EROFS: ("the file system is read-only", "choose a folder that you may write, or set KAMERTON_HOME"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move the file away, or choose another folder"),
    errno.ELOOP: ("a symbolic link leads to itself", "take the link away, or choose another folder"),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "choose a shorter name"),
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into a `StorageError` that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        what, mend = _REASONS[error.errno]
        raise StorageError(what, where=str(error.filename or path), mend=mend) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it; one that is there already is left as it is.

    Raises:
        StorageError: a file stands in the way, or the place takes no folders.
    """
    with storage_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StorageError(
                "a file stands where a folder is needed",
                where=str(path),
                mend="move the file away, or choose another folder",
            ) from error
        except FileNotFoundError as error:
            # The folders above are made too: only a file system that takes none, such as /proc, says this.
            raise StorageError(
                "no folder can be made here", where=str(path), mend="choose a folder that you may write"
            ) from error


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole when the block ends, and not at all (the old one stays) when the block fails.

    Temporary name in the same folder, fsync, rename, fsync of the folder.
    """
    make_folder(path.parent)
    with storage_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_bytes(path: Path, payload: bytes) -> None:
    """Write a file whole."""
    with writing(path) as file:
        file.write(payload)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_bytes(path, text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def swap_folder(ready: Path, target: Path) -> None:
    """Put a finished folder in the place of `target`, which is there whole, old or new, or not at all.

    Everything in `ready` is synced, the old folder is renamed away, the new one is renamed in, the old one is removed.
    """
    away = target.with_name(f".{target.name}.old.part")
    with storage_errors(target):
        for path in [ready, *ready.rglob("*")]:
            if path.is_dir():
                sync_folder(path)
            elif path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        shutil.rmtree(away, ignore_errors=True)
        if target.exists():
            os.replace(target, away)
        os.replace(ready, target)
        sync_folder(target.parent)
        shutil.rmtree(away, ignore_errors=True)


def confined(root: Path, name: str) -> Path:
    """The path `root/name`, refused when it would lie outside `root`, symbolic links followed."""
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
        raise RequestError(f"not a usable path: {error}", where=repr(name), expected=f"a path inside {root}") from error
    if not path.is_relative_to(root.resolve()):
        raise RequestError("the path leaves its folder", where=name, expected=f"a path inside {root}")
    return path
