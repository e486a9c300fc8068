"""What an export wrote, what it left out, and what was lost on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kamerton.records.data import Finding

__all__ = ["ExportReport", "ExportedFile", "UnfitError"]


class UnfitError(Exception):
    """A row that a format cannot carry: kind and message of the finding."""


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written, and how many records it has."""

    file: str
    records: int


@dataclass(frozen=True)
class ExportReport:
    """The account of an export: every row is in a file or refused, and everything lost has a name."""

    files: list[ExportedFile] = field(default_factory=list)
    rows: int = 0
    """Rows of the version."""
    refused: list[Finding] = field(default_factory=list)
    """Rows that the format cannot carry, by the file and line where they were first read."""
    lost: Counter[str] = field(default_factory=Counter)
    """Rows that are written without something, by what that is."""
