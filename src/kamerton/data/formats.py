"""File formats: bytes in, records with their line out.

Each reader yields `(line, record)` or a `Finding`; what it cannot read it names, and then it goes on where that is
possible. Text is UTF-8, with or without a byte-order mark.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from kamerton.records.data import Finding

__all__ = [
    "FORMATS",
    "LINE_FORMATS",
    "TEXT_FORMATS",
    "Parsed",
    "read_csv",
    "read_json",
    "read_jsonl",
    "read_parquet",
    "text_trouble",
]

Parsed = tuple[int, Any] | Finding
Reader = Callable[[bytes, str], Iterator[Parsed]]

_SPACE = re.compile(r"[ \t\r\n]*")
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def text_trouble(data: bytes, file: str, *, whole: bool) -> Finding | None:
    """The finding that keeps a text file from being read at all: empty, UTF-16, or (when `whole`) not UTF-8.

    `data` comes without a UTF-8 byte-order mark. JSON lines are decoded line by line, so that one bad line costs
    one row; the other formats need the `whole` file.
    """
    if not data.strip():
        return _whole(file, "empty_file", "the file is empty; expected at least one row")
    for bom, name in _BOMS:
        if data.startswith(bom):
            return _whole(file, "bad_encoding", f"the file is {name}; {_convert(name)}")
    if whole:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            return Finding(file=file, line=line, kind="bad_encoding", message=_not_utf8(error.start, data[error.start]))
    return None


def read_jsonl(data: bytes, file: str) -> Iterator[Parsed]:
    """One JSON object a line."""
    offset = 0
    for line, raw in enumerate(io.BytesIO(data), 1):
        if raw.isspace():
            yield Finding(
                file=file, line=line, kind="blank_line", message="the line is blank; skipped", severity="warning"
            )
        else:
            yield _parse(raw, file, line, offset)
        offset += len(raw)


def read_json(data: bytes, file: str) -> Iterator[Parsed]:
    """An array of objects, or one object; a file of JSON lines under this name is read as such."""
    text = data.decode("utf-8")
    position = _skip(text, 0)
    if text[position] != "[":
        if _is_lines(data):
            yield from read_jsonl(data, file)
        else:
            yield _parse(data, file, text.count("\n", 0, position) + 1, 0)
        return
    yield from _read_array(text, position + 1, file)


def _read_array(text: str, position: int, file: str) -> Iterator[Parsed]:
    """Each element is located first, so that a finding has its line, then parsed as a line would be."""
    decoder = json.JSONDecoder(strict=False)
    line, counted = 1, 0
    position = _skip(text, position)
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            _, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else position
            where = line + text.count("\n", counted, at)
            what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            message = f"not JSON at character {at}: {what}; the rest of the file is not read"
            yield Finding(file=file, line=where, kind="broken_json", message=message)
            return
        yield _parse(text[position:end].encode("utf-8"), file, line, 0)
        position = _skip(text, end)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            where = line + text.count("\n", counted, position)
            message = f"the array is cut off or lacks a comma at character {position}; the rest is not read"
            yield Finding(file=file, line=where, kind="broken_json", message=message)
            return
    rest = _skip(text, position + 1)
    if rest < len(text):
        where = text.count("\n", 0, rest) + 1
        message = f"something follows the array at character {rest}; it is not read"
        yield Finding(file=file, line=where, kind="broken_json", message=message)


def read_csv(data: bytes, file: str) -> Iterator[Parsed]:
    """Comma-, semicolon- or tab-separated rows under a header; a row's line is the one where it starts."""
    text = data.decode("utf-8")
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    before = csv.field_size_limit(max(len(text), 131_072))
    try:
        yield from _read_csv(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), file)
    finally:
        csv.field_size_limit(before)


def _read_csv(reader: Any, file: str) -> Iterator[Parsed]:
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            what = f"not CSV: {error}"
            if "unexpected end" in str(error):
                what = f"a quote that opens in this row is never closed; the rest ({reader.line_num} lines in) is lost"
            yield Finding(file=file, line=line, kind="broken_csv", message=what)
            continue
        if not header:
            header = [name.strip() for name in cells]
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                yield _whole(file, "duplicate_column", f"the header names {', '.join(map(repr, twice))} more than once")
                return
        elif not cells:
            yield Finding(
                file=file, line=line, kind="blank_line", message="the line is blank; skipped", severity="warning"
            )
        elif len(cells) != len(header):
            message = f"the row has {len(cells)} cells; the header has {len(header)}"
            yield Finding(file=file, line=line, kind="ragged_row", message=message)
        else:
            yield line, dict(zip(header, cells, strict=True))


def read_parquet(data: bytes, file: str) -> Iterator[Parsed]:
    """The rows of a Parquet file; a row's line is its number from 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches():
            for record in batch.to_pylist():
                line += 1
                yield line, record
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield Finding(file=file, line=line + 1, kind="broken_parquet", message=f"not readable Parquet: {first}")


FORMATS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
}
LINE_FORMATS = {".jsonl", ".ndjson"}
TEXT_FORMATS = {suffix for suffix in FORMATS if suffix != ".parquet"}


def _parse(raw: bytes, file: str, line: int, offset: int) -> Parsed:
    """One JSON object; `offset` is where `raw` starts in the file."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _broken(raw, file, line, offset, error)
    if type(record) is not dict:
        message = f"the row is {_json_type(record)}; expected an object with named columns"
        return Finding(file=file, line=line, kind="not_an_object", message=message)
    # As many quoted colons as keys: no key stands twice (its first value would be lost). Otherwise look closely.
    if raw.count(b'":') != _keys(record):
        twice = _duplicate_key(raw)
        if twice is not None:
            message = f"the key {twice!r} stands more than once; which value is meant?"
            return Finding(file=file, line=line, kind="duplicate_key", message=message)
    return line, record


def _broken(raw: bytes, file: str, line: int, offset: int, error: orjson.JSONDecodeError) -> Finding:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        message = _not_utf8(offset + wrong.start, raw[wrong.start])
        return Finding(file=file, line=line, kind="bad_encoding", message=message)
    if "\x00" in text:
        message = f"a NUL byte at character {text.index(chr(0)) + 1}; expected one JSON object"
    elif error.pos < len(text) and re.match(r"NaN|-?Infinity", text[error.pos :]):
        message = f"not JSON at character {error.pos + 1}: NaN and Infinity are not JSON; write null or leave it out"
    else:
        message = f"not JSON at character {error.pos + 1}: {error.msg}"
    return Finding(file=file, line=line, kind="broken_json", message=message)


def _keys(value: Any) -> int:
    """How many keys the objects of a JSON value have."""
    if type(value) is dict:
        return len(value) + sum(_keys(item) for item in value.values() if type(item) is not str)
    if type(value) is list:
        return sum(map(_keys, value))
    return 0


def _duplicate_key(raw: bytes) -> str | None:
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    json.loads(raw, object_pairs_hook=note)
    return found[0] if found else None


def _is_lines(data: bytes) -> bool:
    """Whether the first line alone is a JSON value and more follows."""
    first, _, rest = data.lstrip().partition(b"\n")
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return bool(rest.strip())


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    return {str: "a text", list: "a list", bool: "true or false"}.get(type(value), "a number")


def _not_utf8(offset: int, byte: int) -> str:
    return (
        f"byte {byte:#04x} at offset {offset} is not UTF-8; {_convert('WINDOWS-1250')} (or ISO-8859-2, if that it is)"
    )


def _convert(encoding: str) -> str:
    return f"expected UTF-8; convert it: iconv -f {encoding} -t UTF-8 FILE > NEW"


def _whole(file: str, kind: str, message: str) -> Finding:
    return Finding(file=file, line=0, kind=kind, message=message)
