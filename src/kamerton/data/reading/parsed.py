"""What every reader gives: records with their line, or findings."""

from __future__ import annotations

from typing import Any

from kamerton.records.data import Finding

__all__ = ["Parsed", "blank", "fault", "is_row", "whole_file"]

Parsed = tuple[int, Any] | int | Finding
"""A record with the line where it starts; the number of a blank line; or what is wrong somewhere."""


def fault(file: str, line: int, kind: str, message: str) -> Finding:
    """A row that cannot be read."""
    return Finding(file=file, line=line, kind=kind, message=message)


def whole_file(file: str, kind: str, message: str) -> Finding:
    """A file that cannot be read."""
    return Finding(file=file, line=0, kind=kind, message=message)


def blank(file: str, line: int, last: int | None = None) -> Finding:
    """Lines without content, which count for no row."""
    many = last is not None and last > line
    message = f"the lines {line} to {last} are blank; skipped" if many else "the line is blank; skipped"
    return Finding(file=file, line=line, kind="blank_line", message=message, severity="warning")


def is_row(finding: Finding) -> bool:
    """Whether a finding stands for a row of the file that cannot be read."""
    return finding.line > 0 and finding.severity == "error"
