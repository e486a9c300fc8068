"""Canonical JSON and SHA-256 digests: the same content gives the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kamerton.ground.errors import RequestError

__all__ = ["canonical_json", "digest", "file_digest", "folder_digest", "folder_digests", "set_digest"]

_BLOCK = 1 << 20
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, letters kept; NaN and infinities are refused.

    The text can always be written as UTF-8: half a surrogate pair, as in a file name that is not UTF-8, is escaped.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise RequestError(f"a value cannot be written as JSON: {error}", expected="finite numbers") from error
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of bytes, of a text's UTF-8, or of the canonical JSON of anything else."""
    if isinstance(value, bytes):
        payload = value
    elif isinstance(value, str):
        payload = value.encode("utf-8", "surrogatepass")
    else:
        payload = canonical_json(value).encode("utf-8")
    return hashlib.sha256(payload).hexdigest()


def set_digest(digests: Iterable[str]) -> str:
    """One digest for a multiset of digests: independent of their order."""
    return digest("\n".join(sorted(digests)))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks of 1 MiB."""
    running = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            running.update(block)
    return running.hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, by its path relative to the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def folder_digest(folder: Path) -> str:
    """One digest for the names and contents of all files below a folder."""
    return digest(folder_digests(folder))
