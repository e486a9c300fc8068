"""CSV and its kin: rows of cells under a header.

The delimiter is the one that the header and the rows agree on; a comma inside a number is never one where another fits.
The header may stand on the second line, under a title or the names of groups of columns. Cells are text as written.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from kamerton.data.reading.parsed import Parsed, fault, whole_file
from kamerton.data.reading.text import MAX_ROW, Text
from kamerton.records.data import Finding

__all__ = ["read_csv"]

_DELIMITERS: Final = ",;\t|"
_TOLD: Final = re.compile(r"(?i)\"?sep=([,;\t|])\"?\r?\n")
_NUMBER: Final = re.compile(r"[-+]?[\d\s.,%]+")
_KNOWN: Final = frozenset(
    re.findall(
        r"\w+",
        "instruction input output response prompt completion question answer context system history messages "
        "conversations text chosen rejected label category group task time id title source language tools "
        "instrukcja polecenie pytanie wejście odpowiedź wynik wyjście kontekst tekst treść kategoria grupa "
        "zadanie czas etykieta tytuł źródło język narzędzia historia",
    )
)
_LOOK: Final = 1 << 16
_NAME: Final = 80
"""Characters that the name of a column has at most."""


def read_csv(text: Text) -> Iterator[Parsed]:
    """Rows under a header; a row's line is the one where it starts."""
    blocks = text.blocks()
    first = next(blocks, None)
    if first is None:
        return
    # A field longer than the limit is an error of its row; the module's own limit is 128 KiB, and shared by all.
    before = csv.field_size_limit()
    if before < MAX_ROW:
        csv.field_size_limit(MAX_ROW)
    look = first[1][:_LOOK].decode("utf-8", "ignore")
    yield from _Table(_decoded(first, blocks), _delimiter(look), text.file).rows()


def _decoded(first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    """Lines with their ends, which are line feeds for the csv module."""
    yield from io.StringIO(first[1].decode(), newline="\n")
    for _, block in rest:
        yield from io.StringIO(block.decode(), newline="\n")


def _delimiter(look: str) -> str:
    """The delimiter that cuts the header, and the rows as the header; a table of one column has none."""
    if told := _TOLD.match(look):
        return told[1]

    def score(delimiter: str) -> tuple[bool, float, int]:
        counts = [len(cells) for cells in _tried(look, delimiter) if cells]
        if not counts:
            return False, 0.0, 0
        header = counts[1] if counts[0] == 1 and len(counts) > 2 and counts[1] == counts[2] > 2 else counts[0]
        return header > 1, sum(count == header for count in counts) / len(counts), header

    return max(_DELIMITERS, key=score)


def _tried(look: str, delimiter: str) -> list[list[str]]:
    """The rows of the first lines, but for the last one, which may be cut."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):
        rows.extend(csv.reader(io.StringIO(look, newline="\n"), delimiter=delimiter))
    return rows[:-1] if len(rows) > 2 and len(look) > _LOOK // 4 else rows


def _filled(cells: list[str]) -> list[str]:
    return [cell for cell in cells if cell.strip()]


class _Lines:
    """Lines for the csv module, of which those of the row that is being read can be given again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: list[str] = []
        self._row: list[str] = []
        self._size = 0
        self.line = 1
        """Line where the row starts."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > MAX_ROW:
            raise _TooLongError
        line = self._again.pop() if self._again else next(self._lines)
        self._row.append(line)
        self._size += len(line)
        return line

    def next_row(self) -> None:
        """The row is done."""
        self.line += len(self._row)
        self._row.clear()
        self._size = 0

    def step_back(self) -> int:
        """Give up the row, and read on at the line below its first; the number of lines that it had taken."""
        taken = len(self._row)
        self._again += reversed(self._row[1:])
        self.line += min(taken, 1)
        self._row.clear()
        self._size = 0
        return taken


class _TooLongError(Exception):
    pass


class _Table:
    def __init__(self, lines: Iterator[str], delimiter: str, file: str) -> None:
        self._lines = _Lines(lines)
        self._delimiter = delimiter
        self._file = file

    def rows(self) -> Iterator[Parsed]:
        """The records of the rows below the header."""
        cells = self._cells()
        top: list[tuple[int, list[str]]] = []
        while len(top) < 2 and (item := next(cells, None)) is not None:
            if isinstance(item, Finding):
                yield item
            elif not item[1]:
                yield item[0]
            elif top or not _is_separator_line(item[1]):
                top.append(item)
        if not top:
            return
        header, used, note = _header([row for _, row in top])
        if twice := sorted({name for name in header if header.count(name) > 1}):
            names = ", ".join(map(repr, twice))
            yield whole_file(self._file, "duplicate_column", f"the header names {names} more than once")
            return
        if note:
            yield self._warning(top[1][0], "two_header_rows", note)
        yield from self._records(header, chain(top[used:], cells))

    def _records(self, header: list[str], cells: Iterator[tuple[int, list[str]] | Finding]) -> Iterator[Parsed]:
        width = len(header)
        for item in cells:
            if isinstance(item, Finding):
                yield item
                continue
            line, row = item
            if len(row) > width and not any(row[width:]):
                row = row[:width]  # delimiters at the end of the line
            if len(row) != width:
                if row:
                    message = f"the row has {len(row)} cells; the header has {width}"
                    yield fault(self._file, line, "ragged_row", message)
                else:
                    yield line
            elif row == header:
                yield self._warning(line, "repeated_header", "the header stands here again; skipped")
            else:
                yield line, dict(zip(header, row, strict=True))

    def _cells(self) -> Iterator[tuple[int, list[str]] | Finding]:
        """The cells of each row. After a row with a fault, reading goes on at the line below the one where it starts:
        a quote that is never closed costs one row, not the rest of the file."""
        lines = self._lines
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            try:
                for row in reader:
                    line = lines.line
                    lines.next_row()
                    yield line, row
                return
            except csv.Error as error:
                line = lines.line
                taken = lines.step_back()
                what = f"not CSV: {error}"
                if "unexpected end" in str(error) or taken > 1:
                    what = f"a quote that opens in this row is not closed as it should be ({error}, {taken} lines on)"
                yield fault(self._file, line, "broken_csv", what)
            except _TooLongError:
                line = lines.line
                lines.step_back()
                message = f"the row is longer than {MAX_ROW >> 20} MiB; a quote that is never closed?"
                yield fault(self._file, line, "row_too_long", message)

    def _warning(self, line: int, kind: str, message: str) -> Finding:
        return Finding(file=self._file, line=line, kind=kind, message=message, severity="warning")


def _is_separator_line(row: list[str]) -> bool:
    """Whether this is the line `sep=;` by which Excel is told the delimiter."""
    return row[0].lower().startswith("sep=") and not _filled(row[1:])


def _header(top: list[list[str]]) -> tuple[list[str], int, str]:
    """The names of the columns, the rows that they take, and what to say of it when these are two."""
    first, second = _names(top[0]), _names(top[1]) if len(top) > 1 else []
    if len(first) == 1 and len(second) > 2 and not _known(first) and _looks_like_header(second):
        return second, 2, f"the header stands below a title ({first[0]})"
    named = _known(second) == len(second) or (not _known(first) and _known(second) > 1 and _looks_like_header(second))
    if len(first) == len(second) > 1 and named and first != second:
        if _known(first):
            return first, 2, f"the header stands twice; as names of the columns serve {', '.join(first)}"
        return second, 2, f"the header is the second row; the first ({', '.join(first)}) names nothing that is read"
    empty = [not cell.strip() for cell in top[0]]
    if any(empty[1:]) and len(top) > 1 and len(top[0]) == len(top[1]):
        names = [name.strip() for name in top[1]]
        groups = _carried(top[0])
        if _known(first) and not _known(names) and len(set(names)) == len(names):
            return first, 1, ""
        if len(set(names)) < len(names):
            names = [f"{group} {name}".strip() for group, name in zip(groups, names, strict=True)]
        if _looks_like_header(names):
            groups = sorted(set(_filled(top[0])))
            return names, 2, f"the header is the second row, below the names of groups ({', '.join(groups)})"
    return first, 1, ""


def _names(row: list[str]) -> list[str]:
    """Names of columns; those at the end without a name go, others without one are numbered."""
    names = [name.strip() for name in row]
    while len(names) > 1 and not names[-1]:
        names.pop()
    return [name or f"column {number}" for number, name in enumerate(names, 1)]


def _carried(groups: list[str]) -> list[str]:
    """The name of a group over each of its columns, where only the first of them has it."""
    carried: list[str] = []
    for group in groups:
        carried.append(group.strip() or (carried[-1] if carried else ""))
    return carried


def _known(names: list[str]) -> int:
    return sum(name.casefold() in _KNOWN for name in names)


def _looks_like_header(names: list[str]) -> bool:
    """Short names, all of them there and different, and no number or sentence among them."""
    if len(set(names)) < len(names):
        return False
    return all(
        0 < len(name) <= _NAME and "\n" not in name and name[-1] not in ".?!" and not _NUMBER.fullmatch(name)
        for name in names
    )
