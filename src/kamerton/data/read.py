"""Read files into canonical rows: the good rows survive, the others are findings with file and line."""

from __future__ import annotations

import codecs
import glob
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kamerton.data.formats import FORMATS, LINE_FORMATS, TEXT_FORMATS, Parsed, text_trouble
from kamerton.data.rows import Row
from kamerton.data.shapes import Shape, recognise, to_row, unused_columns
from kamerton.ground.errors import DataError, StorageError
from kamerton.records.data import Finding, SourceReport

__all__ = ["ReadResult", "read_sources"]

_SAMPLE = 100


@dataclass(frozen=True)
class ReadResult:
    """Rows in the order of the files; every row that is missing from `rows` is in `findings`."""

    rows: list[Row]
    findings: list[Finding]
    sources: list[SourceReport]

    @property
    def rows_read(self) -> int:
        return sum(source.rows_read for source in self.sources)

    @property
    def rows_ok(self) -> int:
        return len(self.rows)


def read_sources(
    sources: Sequence[str],
    *,
    shape: Shape | Literal["auto"] = "auto",
    max_rows: int | None = None,
    root: Path = Path("."),
) -> ReadResult:
    """Read files and globs, relative to `root`, in the order given (a glob's files sorted by name).

    What is wrong inside a file is a finding. `max_rows` takes the first rows of each file; `shape` other than
    `auto` is taken at its word.

    Raises:
        DataError: no such file, nothing matches a glob, or no reader for a suffix.
        StorageError: a file may not be read.
    """
    result = ReadResult([], [], [])
    for source in sources:
        for path, name in _files(source, root):
            _read_file(path, name, shape, max_rows, result)
    return result


def _files(source: str, root: Path) -> list[tuple[Path, str]]:
    """The files of one source, each with the name that findings use."""
    literal = root / source
    if literal.is_dir():
        raise DataError("this is a folder", where=source, expected="a file or a glob", mend=f"write {source}/*.jsonl")
    if literal.exists():
        found = [literal]
    else:
        found = [Path(name) for name in sorted(glob.glob(str(literal), recursive=True)) if Path(name).is_file()]
    if not found:
        is_glob = glob.has_magic(source)
        raise DataError(
            "no file matches" if is_glob else "no such file",
            where=source,
            expected=f"a {', '.join(FORMATS)} file below {root.resolve()}",
            mend="kamerton data log lists the data-set versions" if "@" in source else f"ls {literal.parent}",
        )
    return [(path, _name(path, root)) for path in found]


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _read_file(
    path: Path, name: str, wanted: Shape | Literal["auto"], max_rows: int | None, result: ReadResult
) -> None:
    """Read one file and append its rows, findings and report to the result."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(
            f"no reader for {suffix!r}" if suffix else "the file name has no suffix",
            where=name,
            expected=", ".join(FORMATS),
            mend="rename or convert the file",
        )
    try:
        data = path.read_bytes()
    except PermissionError as error:
        raise StorageError(
            "permission denied", where=str(path), expected="a file that you may read", mend=f"chmod u+r {path}"
        ) from error
    sha256, encoding = hashlib.sha256(data).hexdigest(), "binary"
    taken = _Taken(name, wanted)
    rows, findings = taken.rows, taken.findings
    trouble = None
    if suffix in TEXT_FORMATS:
        marked = data.startswith(codecs.BOM_UTF8)
        data, encoding = (data[3:], "utf-8-sig") if marked else (data, "utf-8")
        trouble = text_trouble(data, name, whole=suffix not in LINE_FORMATS)
    if trouble is not None:
        findings.append(trouble)
        encoding = "unknown" if trouble.kind == "bad_encoding" else encoding
    else:
        for item in _first(FORMATS[suffix](data, name), max_rows):
            taken.add(item)
        taken.settle()
        if not taken.rows_read and not findings:
            findings.append(Finding(file=name, line=0, kind="empty_file", message="no rows; expected at least one"))
        # The last element of an array that has one a line is followed by no comma, and so can be read.
        readable = 1 if data.lstrip()[:1] == b"[" else 0
        if suffix in LINE_FORMATS and taken.parsed <= readable and len(findings) > 1:
            findings[:] = [_hopeless(data, name, findings)]
    result.rows.extend(rows)
    result.findings.extend(findings)
    result.sources.append(
        SourceReport(
            file=name,
            rows_read=taken.rows_read,
            rows_ok=len(rows),
            shape=taken.shape or "",
            shape_reason=taken.reason,
            encoding=encoding,
            sha256=sha256,
        )
    )


def _first(records: Iterator[Parsed], max_rows: int | None) -> Iterator[Parsed]:
    """The items up to the n-th row; blank lines do not count."""
    if max_rows is None:
        yield from records
        return
    taken = 0
    for item in records:
        yield item
        taken += _is_row(item)
        if taken >= max_rows:
            return


def _is_row(item: Parsed) -> bool:
    """Whether an item stands for a row of the file, readable or not."""
    return isinstance(item, tuple) or (item.line > 0 and item.kind != "blank_line")


class _Taken:
    """Rows and findings of one file; the first records wait until the shape is known."""

    def __init__(self, name: str, wanted: Shape | Literal["auto"]) -> None:
        self.rows: list[Row] = []
        self.findings: list[Finding] = []
        self.rows_read = 0
        self.parsed = 0
        self.shape: Shape | None = None if wanted == "auto" else wanted
        self.reason = "" if wanted == "auto" else "as the recipe says"
        self._name = name
        self._waiting: list[tuple[int, Mapping[str, Any]]] = []
        self._settled = False

    def add(self, item: Parsed) -> None:
        """Take one record or finding."""
        if isinstance(item, tuple):
            self.rows_read += 1
            self.parsed += 1
            if self._settled:
                self._convert(*item)
                return
            self._waiting.append(item)
            if len(self._waiting) >= _SAMPLE:
                self.settle()
        else:
            self.rows_read += _is_row(item)
            self.findings.append(item)

    def settle(self) -> None:
        """Decide the shape by the first records, and convert those."""
        if self._settled or not self._waiting:
            return
        self._settled = True
        if self.shape is None:
            self._vote()
        if self.shape is not None:
            unused = sorted(set().union(*(unused_columns(record, self.shape) for _, record in self._waiting)))
            if unused:
                message = f"not used: {', '.join(unused)}; the shape {self.shape} has no place for them"
                self._warn("unused_columns", message)
        for line, record in self._waiting:
            self._convert(line, record)
        self._waiting = []
        self.findings.sort(key=lambda finding: finding.line)

    def _vote(self) -> None:
        """The shape that most of the first records have; the earlier one when two tie."""
        votes: Counter[tuple[Shape, str]] = Counter()
        trouble: DataError | None = None
        for _, record in self._waiting:
            try:
                votes[recognise(record)] += 1
            except DataError as error:
                trouble = trouble or error
        if votes:
            (self.shape, reason), count = votes.most_common(1)[0]
            self.reason = f"{reason} in {count} of the first {len(self._waiting)} rows"
        elif trouble is not None:
            message = f"{trouble.what}; expected {trouble.expected}; {trouble.mend}"
            self.findings.append(Finding(file=self._name, line=0, kind="unknown_shape", message=message))

    def _convert(self, line: int, record: Mapping[str, Any]) -> None:
        if self.shape is None:
            return
        row = to_row(record, self.shape, self._name, line)
        if isinstance(row, Row):
            self.rows.append(row)
        else:
            self.findings.append(row)

    def _warn(self, kind: str, message: str) -> None:
        self.findings.append(Finding(file=self._name, line=0, kind=kind, message=message, severity="warning"))


def _hopeless(data: bytes, name: str, findings: list[Finding]) -> Finding:
    """One finding instead of one a line, for a file of which no line is readable."""
    if b"\x00" in data:
        what, kind = "the file is not text", "not_text"
    elif data.lstrip()[:1] == b"[":
        what, kind = "the file is a JSON array, not JSON lines; rename it to .json", "not_json_lines"
    else:
        what, kind = "no line can be read", findings[0].kind
    first = findings[0]
    return Finding(
        file=name, line=0, kind=kind, message=f"{what}; the first trouble, line {first.line}: {first.message}"
    )
