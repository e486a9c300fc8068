"""What is wrong with a record, in the words of its author."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from kamerton.records.data import Finding

__all__ = ["BadRowError", "Notes", "json_type", "listed", "missing", "misspelt"]


class BadRowError(Exception):
    """A record that cannot become a row; the arguments are kind and message of the finding."""


class Notes:
    """What was mended in one record, for warnings."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def add(self, kind: str, message: str) -> None:
        """Note something once."""
        if (kind, message) not in self.made:
            self.made.append((kind, message))

    def findings(self, file: str, line: int) -> list[Finding]:
        """The notes as warnings."""
        return [
            Finding(file=file, line=line, kind=kind, message=message, severity="warning") for kind, message in self.made
        ]


def missing(found: Iterable[Any], names: Sequence[str], where: str = "the row") -> BadRowError:
    """None of these columns or keys is there."""
    *others, last = dict.fromkeys(names) or ["for this part"]
    wanted = f"{', '.join(others)} or {last}" if others else last
    hint = misspelt(found, names)
    return BadRowError("missing_column", f"no column {wanted}; {where} has {listed(found)}{hint}")


def misspelt(found: Iterable[Any], names: Iterable[str]) -> str:
    """`; 'instrution' looks like ...` where a name that is there looks like one that is wanted."""
    return _misspelt(tuple(map(str, found)), tuple(names))


# A file may have one misspelt column in each of a million rows.
@lru_cache(maxsize=256)
def _misspelt(there: tuple[str, ...], names: tuple[str, ...]) -> str:
    for name in names:
        close = get_close_matches(name, there, 1, 0.75) or [other for other in there if other.lower() == name]
        if close and close[0] != name:
            return f"; {close[0]!r} looks like {name!r} misspelt"
    return ""


def listed(names: Iterable[Any]) -> str:
    """Names in a sentence, the first twelve."""
    shown = sorted(map(str, names))
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "") if shown else "no columns"


def json_type(value: Any) -> str:
    """A value's JSON type as a reader says it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"of the type {type(value).__name__}")
