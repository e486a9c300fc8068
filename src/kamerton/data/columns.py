"""Stored columns: rows as an Arrow table, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from kamerton.data.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SCHEMA", "to_rows", "to_table"]

SCHEMA: Final = {
    "row_hash": "string",
    "kind": "string",
    "messages": "string",
    "text": "string",
    "category": "string",
    "group": "string",
    "file": "string",
    "line": "int64",
}
"""Stored columns: `messages` is JSON and null for a text, `text` is null for a conversation."""


def to_table(rows: Sequence[Row]) -> pa.Table:
    """The rows as an Arrow table, sorted by hash."""
    import pyarrow as pa

    ordered = sorted(rows, key=lambda row: row.row_hash)
    columns: dict[str, list[Any]] = {
        "row_hash": [row.row_hash for row in ordered],
        "kind": ["text" if row.messages is None else "messages" for row in ordered],
        "messages": [None if row.messages is None else orjson.dumps(row.messages).decode() for row in ordered],
        "text": [row.text for row in ordered],
        "category": [row.category for row in ordered],
        "group": [row.group for row in ordered],
        "file": [row.file for row in ordered],
        "line": [row.line for row in ordered],
    }
    fields = [pa.field(name, pa.type_for_alias(kind)) for name, kind in SCHEMA.items()]
    return pa.table(columns, schema=pa.schema(fields))


def to_rows(table: pa.Table) -> list[Row]:
    """The rows of an Arrow table, sorted by hash."""
    names = ("row_hash", "file", "line", "messages", "text", "category", "group")
    columns = [table[name].to_pylist() for name in names]
    return [
        Row(None if messages is None else tuple(orjson.loads(messages)), text, category, group, file, line)
        for _, file, line, messages, text, category, group in sorted(
            zip(*columns, strict=True), key=lambda row: row[:3]
        )
    ]
