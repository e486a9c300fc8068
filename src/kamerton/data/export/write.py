"""The export itself: row by row in bounded memory, and files that appear whole or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from kamerton.data.export.formats import FORMATS, FormatName
from kamerton.data.export.llamafactory import INFO, entries_with
from kamerton.data.export.parquet import parquet_sink
from kamerton.data.export.report import ExportedFile, ExportReport, UnfitError
from kamerton.data.rows import Row, RowKind
from kamerton.data.shapes import to_record
from kamerton.ground.errors import DataError, RequestError
from kamerton.ground.files import write_text, writing
from kamerton.records.data import Finding

__all__ = ["export_rows", "write_jsonl"]


_Add = Callable[[dict[str, Any]], object]


def export_rows(
    rows: Iterable[Row], kinds: Collection[RowKind], name: FormatName, out: Path, *, title: str
) -> ExportReport:
    """Write rows to a file, or one file for each kind of rows where a format cannot mix them.

    With several kinds, `out.jsonl` has the conversations and `out.text.jsonl`, for example, the texts. For
    LLaMA-Factory `out` is a folder: it takes the files and the entries of `dataset_info.json` that name them.

    Args:
        kinds: all kinds that the rows have.
        title: name of the data set.

    Raises:
        DataError: the format can carry none of the rows.
        RequestError: `out` is of the wrong sort for the format.
        StorageError: the disk is full or may not be written.
    """
    chosen = FORMATS[name]
    parts = sorted({chosen.parts[kind] for kind in kinds})
    files = _folder_files(out, parts, title) if name == "llamafactory" else _files(out, parts, chosen.suffix)
    if name == "llamafactory":
        entries_with(out, files, title)  # what stands in the way is told before anything is written
    written: Counter[str] = Counter()
    report = ExportReport(files=[])
    count = 0
    with ExitStack() as stack:
        sinks: dict[str, _Add] = {}
        for row in rows:
            count += 1
            try:
                records = chosen.records(row, report.lost)
            except UnfitError as error:
                kind, message = error.args
                report.refused.append(Finding(file=row.file, line=row.line, kind=kind, message=message))
                continue
            part = chosen.parts[row.kind]
            if part not in sinks:
                sinks[part] = stack.enter_context(_sink(files[part], row.kind))
            for record in records:
                sinks[part](record)
            written[part] += len(records)
        if not written:
            first = report.refused[0].message if report.refused else "there are no rows"
            raise DataError(f"no row can be written: {first}", where=title, expected=f"rows that {name} can carry")
    files = {part: files[part] for part in written}
    if name == "llamafactory":
        write_text(out / INFO, json.dumps(entries_with(out, files, title), ensure_ascii=False, indent=2) + "\n")
    report.files.extend(ExportedFile(str(files[part]), written[part]) for part in sorted(written))
    return ExportReport(report.files, count, report.refused, report.lost)


def write_jsonl(rows: Iterable[Row], path: Path, weights: Sequence[float] | None = None) -> None:
    """Rows of any kinds as JSON lines, in the canonical record of each.

    Args:
        weights: for each row, how often it is seen in an epoch: the column `weight`.
    """
    with writing(path) as file:
        if weights is None:
            file.writelines(_line(to_record(row)) for row in rows)
        else:
            file.writelines(
                _line(to_record(row) | {"weight": weight}) for row, weight in zip(rows, weights, strict=True)
            )


def _files(out: Path, parts: list[str], suffix: str) -> dict[str, Path]:
    if out.is_dir() or out.suffix != suffix:
        raise RequestError(
            "this is a folder" if out.is_dir() else f"the name does not end with {suffix}",
            where=str(out),
            expected=f"a file *{suffix}",
            mend=f"--out {out / 'rows' if out.is_dir() else out.with_suffix('')}{suffix}",
        )
    if len(parts) == 1:
        return {parts[0]: out}
    return {part: out.with_name(f"{out.stem}.{part}{suffix}") if part else out for part in parts}


def _folder_files(out: Path, parts: list[str], title: str) -> dict[str, Path]:
    if out.exists() and not out.is_dir():
        raise RequestError("this is a file", where=str(out), expected="the folder of dataset_info.json")
    return {part: out / (f"{title}_{part}.jsonl" if part else f"{title}.jsonl") for part in parts}


def _sink(path: Path, kind: RowKind) -> AbstractContextManager[_Add]:
    return parquet_sink(path, kind) if path.suffix == ".parquet" else _line_sink(path)


@contextmanager
def _line_sink(path: Path) -> Iterator[_Add]:
    with writing(path) as file:
        yield lambda record: file.write(_line(record))


def _line(record: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(record) + b"\n"
    except TypeError:  # half a surrogate pair, which only an escape can carry
        return json.dumps(record).encode() + b"\n"
