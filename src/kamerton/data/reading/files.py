"""A file to be read, wherever it is."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kamerton.ground.errors import StorageError

__all__ = ["File", "LocalFile", "refused", "sayable"]


class File(ABC):
    """One file, wherever it is."""

    name: str
    """As findings and reports name it; without secrets."""

    @abstractmethod
    def size(self) -> int | None:
        """Bytes as stored; None when nobody says."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """The bytes from the start.

        Raises:
            DataError, StorageError, ServerAwayError: it is not there, may not be read, or does not answer; also while
                it is read.
        """


@dataclass(frozen=True)
class LocalFile(File):
    """A file of this machine."""

    path: Path
    name: str

    def size(self) -> int | None:
        try:
            return self.path.stat().st_size
        except OSError:  # `open` says what is wrong
            return None

    def open(self) -> BinaryIO:
        try:
            return _Opened(self.path)
        except OSError as error:
            raise refused(self.path, error) from error


class _Opened(io.FileIO):
    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        try:
            return super().read(size) or b""
        except OSError as error:
            raise refused(Path(str(self.name)), error) from error


def refused(path: Path, error: OSError) -> StorageError:
    """The error of a local file that the system keeps from us."""
    if isinstance(error, PermissionError):
        return StorageError(
            "permission denied", where=str(path), expected="a file that you may read", mend=f"chmod u+r {path}"
        )
    return StorageError(f"cannot be read: {error.strerror or error}", where=str(path), expected="a readable file")


def sayable(name: str) -> str:
    """A name of which each byte that is not UTF-8 became U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
