"""The key of the pseudonyms: made once a workspace, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from kamerton.ground.digests import digest
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, sync_folder
from kamerton.ground.settings import Workspace

__all__ = ["key_id", "privacy_key"]

_VARIABLE = "KAMERTON_PRIVACY_KEY"
_BYTES = 32


def privacy_key(workspace: Workspace) -> bytes:
    """The key by which this workspace's pseudonyms are made: `KAMERTON_PRIVACY_KEY`, or the workspace's file.

    The file `keys/privacy.key` in the workspace's home is made at first use (256 bits, mode 0600). Who has it can
    tell whose pseudonym a value is by trying; without it the same persons get other pseudonyms.

    Raises:
        StorageError: the file cannot be read or made, or holds no key.
    """
    if given := os.environ.get(_VARIABLE):
        return _checked(given, _VARIABLE)
    path = workspace.home / "keys" / "privacy.key"
    with storage_errors(path):
        try:
            return _checked(path.read_text("ascii"), str(path))
        except FileNotFoundError:
            _make(path)
        except UnicodeDecodeError as error:
            raise _no_key(str(path)) from error
        return _checked(path.read_text("ascii"), str(path))


def key_id(key: bytes) -> str:
    """By what a record names the key: 16 hex digits of a digest, from which it cannot be had."""
    return digest(b"kamerton privacy key\n" + key)[:16]


def _make(path: Path) -> None:
    """Write a new key whole; of several that begin at once, the first to finish is everybody's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
    finally:
        part.unlink()
    sync_folder(path.parent)


def _checked(text: str, where: str) -> bytes:
    shown = text.strip()
    if len(shown) < 2 * _BYTES:
        raise _no_key(where)
    return shown.encode()


def _no_key(where: str) -> StorageError:
    return StorageError(
        "this is no key for pseudonyms",
        where=where,
        expected=f"at least {2 * _BYTES} characters drawn at random",
        mend="restore the file from a backup; a new key (delete the file) gives new pseudonyms",
    )
