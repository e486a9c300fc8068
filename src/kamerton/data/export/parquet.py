"""Parquet: turns as lists of structs, so that pandas, DuckDB and `datasets` read them as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kamerton.data.rows import RowKind
from kamerton.ground.files import writing

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["parquet_sink"]

_GROUP: Final = 8192
"""Rows of a row group: what is in memory at a time."""


@contextmanager
def parquet_sink(path: Path, kind: RowKind) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Takes the records of a Parquet file of rows of one kind, and writes them group by group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(kind)
    waiting: list[dict[str, Any]] = []
    with writing(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
            waiting.clear()

        def add(record: dict[str, Any]) -> None:
            waiting.append(record)
            if len(waiting) == _GROUP:
                flush()

        yield add
        flush()


def _schema(kind: RowKind) -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    function = pa.struct({"name": text, "arguments": text})
    calls = pa.list_(pa.struct({"id": text, "type": text, "function": function}))
    turn = pa.struct(
        {
            "role": text,
            "content": text,
            "tool_calls": calls,
            "tool_call_id": text,
            "name": text,
            "weight": pa.int8(),
        }
    )
    columns: dict[str, pa.DataType] = {"text": text} if kind == "text" else {"messages": pa.list_(turn), "tools": text}
    if kind == "rated":
        columns["label"] = pa.bool_()
    if kind == "ranked":
        columns |= {"answers": pa.list_(turn), "ranks": pa.list_(pa.int32())}
    return pa.schema({**columns, **dict.fromkeys(("category", "group", "task", "time", "augmented_from"), text)})
