"""Which reader a file's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from kamerton.data.reading.columnar import read_arrow, read_parquet
from kamerton.data.reading.jsons import read_json, read_jsonl
from kamerton.data.reading.parsed import Parsed
from kamerton.data.reading.plain import read_lines, read_sections
from kamerton.data.reading.stream import COMPRESSIONS
from kamerton.data.reading.tables import read_csv
from kamerton.data.reading.text import Text

__all__ = ["COLUMN_READERS", "LINE_FORMATS", "SUFFIXES", "TEXT_READERS", "format_of", "is_readable"]

TEXT_READERS: Final[dict[str, Callable[[Text], Iterator[Parsed]]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".txt": read_lines,
    ".md": read_sections,
}
"""Formats that may be compressed."""
COLUMN_READERS: Final[dict[str, Callable[[Path, str], Iterator[Parsed]]]] = {
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
LINE_FORMATS: Final = frozenset({".jsonl", ".ndjson"})
SUFFIXES: Final = (*TEXT_READERS, *COLUMN_READERS)


def format_of(name: str) -> tuple[str, str]:
    """The format's suffix and the compression's of a file name, in lower case; empty where there is none."""
    path = PurePosixPath(name.lower())
    if path.suffix in COMPRESSIONS:
        return PurePosixPath(path.stem).suffix, path.suffix
    return path.suffix, ""


def is_readable(name: str) -> bool:
    """Whether there is a reader for a file of this name."""
    suffix, compression = format_of(name)
    return suffix in TEXT_READERS or (suffix in COLUMN_READERS and not compression)
