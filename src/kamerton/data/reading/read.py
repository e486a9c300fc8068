"""Read sources into rows, a slice at a time: the good rows survive, the others are findings with their line."""

from __future__ import annotations

import gc
import heapq
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from kamerton.data.reading.files import File, LocalFile
from kamerton.data.reading.formats import COLUMN_READERS, LINE_FORMATS, TEXT_READERS, format_of
from kamerton.data.reading.intake import Intake
from kamerton.data.reading.parsed import Parsed, fault, is_row, whole_file
from kamerton.data.reading.places import Place, find
from kamerton.data.reading.stream import BLOCK, BrokenStreamError, Stream, inflated
from kamerton.data.reading.text import Text
from kamerton.data.rows import Row
from kamerton.data.shapes import Layout
from kamerton.ground.rng import draw, stream_seed
from kamerton.recipe import ShapeName, Source
from kamerton.records.data import Finding, SourceReport

__all__ = ["Batch", "Progress", "ReadResult", "iterate", "read_sources"]

Progress = Callable[[str, int, int | None], None]
"""Called with the file, its bytes read so far, and its bytes in all (None when nobody knows)."""

_ROWS: Final = 1000
"""Rows and findings of a batch, about."""
_BYTES: Final = 4 * BLOCK
"""Bytes of text of a batch, about."""
_HOPELESS: Final = 1000
"""Unreadable rows from the start after which a file is given up."""


@dataclass(frozen=True)
class Batch:
    """Some rows of one file, and what was found on the way."""

    rows: list[Row]
    findings: list[Finding]
    source: SourceReport | None = None
    """The file's report, with the last batch of the file."""


@dataclass(frozen=True)
class ReadResult:
    """Rows in the order of the files; every row that is missing from `rows` is in `findings`."""

    rows: list[Row]
    findings: list[Finding]
    sources: list[SourceReport]
    given_system: int = 0
    """Rows that were given the system turn of `data.system`."""

    @property
    def rows_read(self) -> int:
        return sum(source.rows_read for source in self.sources)

    @property
    def rows_ok(self) -> int:
        return len(self.rows)


def read_sources(
    sources: Sequence[str | Source],
    *,
    root: Path = Path("."),
    shape: ShapeName = "auto",
    max_rows: int | None = None,
    on_progress: Progress | None = None,
) -> ReadResult:
    """All that `iterate` gives, together."""
    result = ReadResult([], [], [])
    with _uncollected():
        for batch in iterate(sources, root=root, shape=shape, max_rows=max_rows, on_progress=on_progress):
            result.rows.extend(batch.rows)
            result.findings.extend(batch.findings)
            if batch.source is not None:
                result.sources.append(batch.source)
    return result


@contextmanager
def _uncollected() -> Iterator[None]:
    """Rows hold no cycles: to look through all of them for some, again and again, takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def iterate(
    sources: Sequence[str | Source],
    *,
    root: Path = Path("."),
    shape: ShapeName = "auto",
    max_rows: int | None = None,
    on_progress: Progress | None = None,
) -> Iterator[Batch]:
    """Read files, folders, globs, URLs, hub ids and entries of a `dataset_info.json`, in the order given.

    Paths are relative to `root`; the files of a folder or glob come sorted by name. Memory is bounded: a batch holds
    about 1,000 rows or 4 MiB, and a row of more than 64 MiB is left out. What is wrong inside a file is a finding.

    Args:
        shape: of the sources that are given by name alone; other than `auto` it is taken at its word.
        max_rows: the first n rows of each source that is given by name alone. The digest is of the whole file even so.

    Raises:
        DataError: no such file, nothing matches a glob, no reader for a suffix, no such data set on the hub.
        StorageError: a file may not be read.
        ServerAwayError: a server does not answer, or the network is forbidden.
        MissingExtraError: the package for a kind of URL is not installed.
    """
    for given in sources:
        source = given if isinstance(given, Source) else Source(source=given, shape=shape, max_rows=max_rows)
        place = find(source.source, root)
        if place.findings:
            yield Batch([], place.findings)
        batches = _source(place, source, on_progress)
        yield from batches if place.sample is None else _sampled(batches, source.source, place.sample)


def _source(place: Place, source: Source, on_progress: Progress | None) -> Iterator[Batch]:
    left = source.max_rows
    for file in place.files:
        if left is not None and left <= 0:
            return
        progress = None if on_progress is None else partial(on_progress, file.name)
        reading = _Reading(file, source, place.layout, left)
        yield from reading.batches(progress)
        left = None if left is None else left - reading.intake.rows_read


def _sampled(batches: Iterator[Batch], name: str, wanted: int) -> Iterator[Batch]:
    """Rows at random: those whose place draws lowest, in the order of the file; some again when there are fewer.

    Only the rows that are wanted are held.
    """
    kept: list[tuple[float, int, Row]] = []
    seen = 0
    for batch in batches:
        for row in batch.rows:
            entry = (-draw("num_samples", name, row.file, row.line, seen), seen, row)
            seen += 1
            if len(kept) < wanted:
                heapq.heappush(kept, entry)
            else:
                heapq.heappushpop(kept, entry)
        yield Batch([], batch.findings, batch.source)
    rows = [row for _, _, row in sorted(kept, key=lambda entry: entry[1])]
    missing = range(wanted - len(rows) if rows else 0)
    yield Batch([*rows, *(rows[stream_seed("num_samples", name, number) % len(rows)] for number in missing)], [])


class _Reading:
    """The reading of one file."""

    def __init__(self, file: File, source: Source, layout: Layout | None, max_rows: int | None) -> None:
        self._file = file
        self._max_rows = max_rows
        self._suffix, self._compression = format_of(file.name)
        self._encoding = "binary"
        self._sha256 = ""
        self.intake = Intake(file.name, source, layout)

    def batches(self, progress: Callable[[int, int | None], None] | None) -> Iterator[Batch]:
        """The file's rows and findings; its report with the last of them."""
        size = self._file.size()
        stream = Stream(self._file.open(), size, progress)
        try:
            yield from self._text(stream) if self._suffix in TEXT_READERS else self._columns(stream)
        finally:
            stream.close()
        rows, findings = self.intake.take()
        yield Batch(rows, findings, self._report())

    def _text(self, stream: Stream) -> Iterator[Batch]:
        name, intake = self._file.name, self.intake
        text = Text(self._unbroken(inflated(stream, self._compression)), name)
        if text.trouble is not None:
            intake.findings.append(text.trouble)
        else:
            yield from self._records(TEXT_READERS[self._suffix](text), text)
        self._sha256, self._encoding = stream.drain(), text.encoding

    def _unbroken(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The content up to where compressed bytes are damaged."""
        try:
            yield from chunks
        except BrokenStreamError as error:
            message = f"the compressed file is damaged or cut off: {error}; what comes before is read"
            self.intake.findings.append(whole_file(self._file.name, "broken_compression", message))

    def _columns(self, stream: Stream) -> Iterator[Batch]:
        """Column formats are read from any place: a file that is elsewhere is copied here first."""
        reader = COLUMN_READERS[self._suffix]
        if isinstance(self._file, LocalFile):
            self._sha256 = stream.drain()
            yield from self._records(self._not_empty(stream, reader(self._file.path, self._file.name)), None)
            return
        with tempfile.NamedTemporaryFile(suffix=self._suffix) as copy:
            while block := stream.read(BLOCK):
                copy.write(block)
            copy.flush()
            self._sha256 = stream.drain()
            yield from self._records(self._not_empty(stream, reader(Path(copy.name), self._file.name)), None)

    def _not_empty(self, stream: Stream, items: Iterator[Parsed]) -> Iterator[Parsed]:
        return items if stream.bytes_read else iter(())

    def _records(self, items: Iterator[Parsed], text: Text | None) -> Iterator[Batch]:
        intake, lines = self.intake, self._suffix in LINE_FORMATS
        flushed = 0
        for item in items:
            if text is not None and text.findings:
                self._told(text)
            if text is not None and text.damaged and isinstance(item, tuple) and _is_damaged(item[1]):
                intake.damaged(item[0], item[0] in text.bad_lines)
            else:
                intake.add(item)
            if self._max_rows is not None and intake.rows_read >= self._max_rows:
                break
            if intake.shapeless and intake.rows_read >= _HOPELESS:
                break  # a few bytes of a column format can stand for billions of rows
            size = text.size if text is not None else 0
            if len(intake.rows) + len(intake.findings) < _ROWS and size - flushed < _BYTES:
                continue
            if not intake.parsed and intake.rows_read >= _HOPELESS:
                break
            if lines and intake.parsed <= 1 and 0 < intake.rows_read < _HOPELESS:
                continue  # perhaps no line can be read: then one finding says it, instead of one a line
            flushed = size
            intake.settle()
            yield Batch(*intake.take())
        if text is not None:
            self._told(text)
        intake.settle()
        if not intake.rows_read and not any(finding.severity == "error" for finding in intake.findings):
            intake.findings.append(whole_file(self._file.name, "empty_file", "no rows; expected at least one"))
        if text is not None and not intake.rows_ok and (lines or intake.rows_read >= _HOPELESS):
            self._despair(text)

    def _told(self, text: Text) -> None:
        for finding in text.findings:
            self.intake.rows_read += finding.kind == "row_too_long"
        self.intake.findings += text.findings
        text.findings = []

    def _despair(self, text: Text) -> None:
        """One finding instead of one a line, for a file of which no line is readable."""
        faults = [finding for finding in self.intake.findings if is_row(finding)]
        if self.intake.parsed or len(faults) < 2 or self.intake.rows:
            return
        first = faults[0]
        what, kind = "no line can be read", first.kind
        if self.intake.rows_read >= _HOPELESS:
            what = f"none of the first {self.intake.rows_read:,} rows can be read; the rest is not tried"
        message = f"{what}; the first trouble, line {first.line}: {first.message}"
        self.intake.findings = [fault(self._file.name, 0, kind, message)]

    def _report(self) -> SourceReport:
        return SourceReport(
            file=self._file.name,
            rows_read=self.intake.rows_read,
            rows_ok=self.intake.rows_ok,
            shape=self.intake.shape,
            shape_reason=self.intake.reason,
            encoding=self._encoding,
            sha256=self._sha256,
        )


_REPLACED: Final = re.compile("\ufffd")


def _is_damaged(record: Any) -> bool:
    """Whether U+FFFD stands somewhere in a record."""
    if type(record) is str:
        return _REPLACED.search(record) is not None
    if type(record) is dict:
        return any(_is_damaged(key) or _is_damaged(value) for key, value in record.items())
    return type(record) is list and any(map(_is_damaged, record))
