"""Append-only JSON lines: a line is there whole or it is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kamerton.ground.digests import canonical_json
from kamerton.ground.files import storage_errors

__all__ = ["append_line", "read_lines"]


def append_line(path: Path, document: dict[str, Any]) -> None:
    """Append one line; a process killed here, or a disk that is full, leaves at most one unfinished last line."""
    payload = (canonical_json(document) + "\n").encode("utf-8")
    with storage_errors(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            _end_broken_line(path, handle)
            while payload:
                payload = payload[os.write(handle, payload) :]
        finally:
            os.close(handle)


def _end_broken_line(path: Path, handle: int) -> None:
    """Close an unfinished last line, so that the new one stands alone."""
    size = os.fstat(handle).st_size
    if size:
        with path.open("rb") as reader:
            reader.seek(size - 1)
            if reader.read(1) != b"\n":
                os.write(handle, b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; an unfinished line (of a killed process) is passed over."""
    if not path.exists():
        return []
    documents = []
    for line in path.read_bytes().split(b"\n"):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            documents.append(document)
    return documents
