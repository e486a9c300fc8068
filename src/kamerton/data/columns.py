"""Stored columns: rows as an Arrow table, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from kamerton.data.rows import Row
from kamerton.ground.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FIRST_COLUMNS", "SCHEMA", "to_rows", "to_table"]

SCHEMA: Final = {
    "row_hash": "string",
    "kind": "string",
    "messages": "string",
    "text": "string",
    "ranked": "string",
    "liked": "bool",
    "tools": "string",
    "category": "string",
    "group": "string",
    "task": "string",
    "time": "string",
    "augmented_from": "string",
    "file": "string",
    "line": "int64",
}
"""Stored columns: `messages` and `ranked` are JSON and null where a row has none, `text` is null for a conversation."""

FIRST_COLUMNS: Final = frozenset({"row_hash", "kind", "messages", "text", "category", "group", "file", "line"})
"""Columns that every data set has; where another is not stored, its rows have nothing in it."""

_HALF = re.compile("[\ud800-\udfff]")
_PLAIN = tuple(name for name in SCHEMA if name not in ("row_hash", "kind", "messages", "ranked"))


def to_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as an Arrow table, sorted by hash, then by file and line.

    Raises:
        DataError: a row has half a surrogate pair, which is no text that can be stored.
    """
    try:
        return _table(rows)
    except (UnicodeEncodeError, orjson.JSONEncodeError) as error:
        row = next(row for row in rows if _HALF.search(json.dumps(row.content, ensure_ascii=False)))
        raise DataError(
            "the row has half a surrogate pair, which is no text that can be stored",
            where=f"{row.file}:{row.line}" if row.file else f"row {row.row_hash[:12]}",
            expected="whole letters, such as \\ud83d\\ude00 for an emoji",
            mend="take the half out of the row",
        ) from error


def _table(rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    ordered = sorted(rows, key=lambda row: (row.row_hash, row.file, row.line))
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in ordered] for name in _PLAIN}
    columns["row_hash"] = [row.row_hash for row in ordered]
    columns["file"] = [row.file.encode("utf-8", "backslashreplace").decode() for row in ordered]  # names are bytes
    columns["kind"] = [row.kind for row in ordered]
    columns["messages"] = [None if row.messages is None else orjson.dumps(row.messages).decode() for row in ordered]
    columns["ranked"] = [orjson.dumps(row.ranked).decode() if row.ranked else None for row in ordered]
    fields = [pa.field(name, pa.type_for_alias(kind)) for name, kind in SCHEMA.items()]
    return pa.table(columns, schema=pa.schema(fields))


def to_rows(table: pa.Table) -> list[Row]:
    """The rows of an Arrow table, sorted by hash, then by file and line."""
    stored = [name for name in SCHEMA if name in table.column_names]
    records = (dict(zip(stored, values, strict=True)) for values in zip(*_values(table, stored), strict=True))
    ordered = sorted(records, key=lambda record: (record["row_hash"], record["file"], record["line"]))
    return [_row(record) for record in ordered]


def _values(table: pa.Table, names: Sequence[str]) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def _row(record: dict[str, Any]) -> Row:
    messages, ranked = record["messages"], record.get("ranked")
    return Row(
        messages=None if messages is None else tuple(orjson.loads(messages)),
        ranked=() if ranked is None else tuple(orjson.loads(ranked)),
        **{name: record[name] for name in _PLAIN if name in record},
    )
