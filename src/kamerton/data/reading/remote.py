"""Files behind URLs, through fsspec: `s3://`, `gs://`, `https://`, `memory://` and the others that it knows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from kamerton.data.reading.files import File
from kamerton.ground.errors import DataError, MissingExtraError, ServerAwayError, StorageError
from kamerton.ground.need import need
from kamerton.ground.settings import offline

__all__ = ["RemoteFile", "remote_files"]

_EXTRAS: Final = {"s3fs": "s3", "gcsfs": "gcs", "adlfs": "azure", "aiohttp": "http"}
_FOREIGN: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("aiohttp", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
)
"""Errors of the libraries below fsspec that are no `OSError`."""


@dataclass(frozen=True)
class RemoteFile(File):
    """A file of an fsspec file system."""

    system: Any
    path: str
    name: str

    def size(self) -> int | None:
        with _errors(self.name):
            size = self.system.info(self.path).get("size")
        return int(size) if size is not None else None

    def open(self) -> BinaryIO:
        with _errors(self.name):
            # Read once from start to end: the next blocks are fetched ahead, and none is kept.
            return _Guarded(self.system.open(self.path, "rb", cache_type="readahead"), self.name)  # type: ignore[return-value]


class _Guarded:
    """A file of which every error is one of ours."""

    def __init__(self, handle: Any, name: str) -> None:
        self._handle = handle
        self._name = name

    def read(self, size: int) -> bytes:
        with _errors(self._name):
            return bytes(self._handle.read(size))

    def close(self) -> None:
        with _errors(self._name):
            self._handle.close()


def remote_files(url: str) -> list[File]:
    """The file, the files of a folder, or those that a glob matches, by their names.

    Raises:
        DataError: nothing is there, or no such kind of URL.
        MissingExtraError: the package that speaks to such a server is not installed.
        ServerAwayError: it does not answer, or the network is forbidden.
        StorageError: it refuses.
    """
    protocol, name = url.split("://", 1)[0].lower(), _public(url)
    if "::" in url:
        raise DataError("a chain of file systems", where=name, expected="one URL; of archives only *.gz and *.zst")
    system, path = _system(url, protocol, name)
    # The query of a URL holds question marks, and a web server has no folders.
    if protocol in {"http", "https"}:
        return [RemoteFile(system, url, name)]
    with _errors(name):
        if any(mark in path for mark in "*?["):
            paths = sorted(system.glob(path))
        elif system.isdir(path):
            paths = sorted(system.find(path))
        else:
            return [RemoteFile(system, path, name)]
    if not paths:
        raise DataError("no file matches", where=name, expected="at least one file")
    return [RemoteFile(system, each, _public(system.unstrip_protocol(each))) for each in paths]


def _system(url: str, protocol: str, name: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs
    from fsspec.registry import known_implementations

    known = known_implementations.get(protocol)
    if known is None:
        raise DataError(
            f"no file system for {protocol}://", where=name, expected=f"{', '.join(sorted(known_implementations))}"
        )
    if offline() and protocol != "memory":
        raise ServerAwayError(
            "HF_HUB_OFFLINE forbids the network", where=name, mend="copy the file here, or unset HF_HUB_OFFLINE"
        )
    package = str(known["class"]).split(".", 1)[0]
    package = "aiohttp" if protocol in {"http", "https"} else package
    if package in _EXTRAS:
        need(package, _EXTRAS[package])
    try:
        with _errors(name):
            system, path = url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(str(error), where=name, mend=f"pip install {package}") from error
    return system, str(path)


def _public(url: str) -> str:
    """The URL without a user's name, password or signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turn what fsspec and the libraries below it raise into our errors."""
    try:
        yield
    except _foreign() as error:
        # For a web server, fsspec calls every trouble a file that is not there; the cause knows better.
        cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ is not None else error
        status = getattr(cause, "status", None)
        if isinstance(cause, (FileNotFoundError, IsADirectoryError, NotADirectoryError)) or status in {404, 410}:
            raise DataError("no such file", where=name, expected="a file that is there") from error
        if isinstance(cause, PermissionError) or status in {401, 403}:
            what = f"access refused: {_said(cause)}"
            raise StorageError(what, where=name, expected="credentials in the environment") from error
        raise ServerAwayError(f"cannot be fetched: {_said(cause)}", where=name, mend="try again later") from error
    except (ValueError, TypeError, NotImplementedError) as error:
        what = f"cannot be opened: {_said(error)}"
        raise DataError(what, where=name, expected="a URL that fsspec can read") from error


def _foreign() -> tuple[type[Exception], ...]:
    """Error classes of the libraries that are loaded: what is not cannot have raised."""
    found = [OSError, EOFError, *(getattr(sys.modules.get(module), name, None) for module, name in _FOREIGN)]
    return tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception))


def _said(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__
