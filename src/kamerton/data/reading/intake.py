"""Records become rows: the layout is decided by the first of them, and what cannot become a row is a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kamerton.data.reading.parsed import Parsed, blank, fault, is_row, whole_file
from kamerton.data.rows import Row
from kamerton.data.shapes import Layout, layout_for, recognise, to_row, unused_columns
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

if TYPE_CHECKING:
    from kamerton.recipe import Source

__all__ = ["Intake"]

_SAMPLE: Final = 100
"""Records by which the layout is decided."""


class Intake:
    """Rows and findings of one file; the first records wait until the layout is known."""

    def __init__(self, name: str, source: Source, layout: Layout | None) -> None:
        self.rows: list[Row] = []
        self.findings: list[Finding] = []
        self.rows_read = self.rows_ok = self.parsed = 0
        self.layout = layout
        self.reason = "as dataset_info.json says" if layout is not None else ""
        self._columns: dict[str, str] = {part: column for part, column in source.columns.items()}  # noqa: C416
        if layout is None and source.shape != "auto":
            self.layout = layout_for(source.shape, self._columns)
            self.reason = "as asked"
        self._name = name
        self._source = source
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []
        self._settled = False
        self._blank: tuple[int, int] | None = None
        """First and last of the blank lines just seen: a file may hold millions of them."""

    @property
    def shape(self) -> str:
        """Empty when it could not be told."""
        return self.layout.shape if self.layout is not None else ""

    @property
    def shapeless(self) -> bool:
        """Whether no row of the file can become an example, because its shape is not known."""
        return self._settled and self.layout is None

    def add(self, item: Parsed) -> None:
        """Take one record, or the finding of a reader."""
        if isinstance(item, tuple):
            if self._blank is not None:
                self._end_blank()
            self.rows_read += 1
            self.parsed += 1
            if self._settled:
                self._convert(*item)
                return
            self._waiting.append(item)
            if len(self._waiting) >= _SAMPLE:
                self.settle()
        elif isinstance(item, int):
            if self._blank is not None and self._blank[1] + 1 != item:
                self._end_blank()
            self._blank = (self._blank[0] if self._blank is not None else item, item)
        else:
            self._end_blank()
            self.rows_read += is_row(item)
            self.findings.append(item)

    def _end_blank(self) -> None:
        if self._blank is not None:
            self.findings.append(blank(self._name, *self._blank))
        self._blank = None

    def damaged(self, line: int, told: bool) -> None:
        """Leave out a record with text that could not be decoded; `told` when a finding says so already."""
        self.rows_read += 1
        self.parsed += 1
        if not told:
            message = "the row has text that could not be decoded; it is left out"
            self.findings.append(fault(self._name, line, "bad_encoding", message))

    def take(self) -> tuple[list[Row], list[Finding]]:
        """What came together since the last time, in the order of the lines."""
        self._end_blank()
        rows, findings = self.rows, sorted(self.findings, key=lambda finding: finding.line)
        self.rows_ok += len(rows)
        self.rows, self.findings = [], []
        return rows, findings

    def settle(self) -> None:
        """Decide the layout by the first records, and convert those."""
        if self._settled or not self._waiting:
            return
        self._settled = True
        if self.layout is None:
            self._vote()
        if self.layout is not None:
            unused = sorted(set().union(*(unused_columns(record, self.layout) for _, record in self._waiting)))
            if unused:
                message = f"not used: {', '.join(unused)}; the shape {self.shape} has no place for them"
                self.findings.append(
                    Finding(file=self._name, line=0, kind="unused_columns", message=message, severity="warning")
                )
        for line, record in self._waiting:
            self._convert(line, record)
        self._waiting = []

    def _vote(self) -> None:
        """The layout that most of the first records have; the earlier one when two tie."""
        votes: Counter[tuple[Layout, str]] = Counter()
        trouble: DataError | None = None
        for _, record in self._waiting:
            try:
                votes[recognise(record, self._columns)] += 1
            except DataError as error:
                trouble = trouble or error
        if votes:
            (self.layout, reason), count = votes.most_common(1)[0]
            self.reason = f"{reason} in {count} of the first {len(self._waiting)} rows"
        elif trouble is not None:
            message = f"{trouble.what}; expected {trouble.expected}; {trouble.mend}"
            self.findings.append(whole_file(self._name, "unknown_shape", message))

    def _convert(self, line: int, record: Mapping[str, Any]) -> None:
        if self.layout is None:
            return
        row = to_row(record, self.layout, self._name, line, self.findings)
        if isinstance(row, Row):
            self.rows.append(self._marked(row) if self._source.task or self._source.prefix else row)
        else:
            self.findings.append(row)

    def _marked(self, row: Row) -> Row:
        """The row with the source's task, where it has none of its own, and prefix."""
        task, prefix = row.task or self._source.task, self._source.prefix
        if not prefix:
            return replace(row, task=task)
        if row.text is not None:
            return replace(row, task=task, text=prefix + row.text)
        messages = list(row.messages or ())
        last = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=None)
        if last is not None:
            messages[last] = {**messages[last], "content": prefix + messages[last]["content"]}
        return replace(row, task=task, messages=tuple(messages))
