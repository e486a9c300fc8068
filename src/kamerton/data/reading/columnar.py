"""Parquet and Arrow: a slice of rows at a time, so that a file may be larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.data.reading.parsed import Parsed, fault, whole_file
from kamerton.data.reading.stream import BLOCK

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_arrow", "read_parquet"]

_ROWS = 1024


def read_parquet(path: Path, file: str) -> Iterator[Parsed]:
    """The rows of a Parquet file; a row's line is its number from 1."""
    import pyarrow.parquet as pq

    def batches() -> Iterator[pa.RecordBatch]:
        # Pages are read as they are needed: with pre-buffering the row groups of the whole file would be held.
        with pq.ParquetFile(path, buffer_size=BLOCK, pre_buffer=False) as opened:
            yield from opened.iter_batches(batch_size=_ROWS, use_threads=False)

    return _rows(batches(), file, "broken_parquet", "Parquet")


def read_arrow(path: Path, file: str) -> Iterator[Parsed]:
    """The rows of an Arrow IPC file (Feather) or stream; a row's line is its number from 1."""
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            if is_file:
                opened = pa.ipc.open_file(source)
                for number in range(opened.num_record_batches):
                    yield opened.get_batch(number)
            else:
                yield from pa.ipc.open_stream(source)

    return _rows(batches(), file, "broken_arrow", "Arrow IPC")


def _rows(batches: Iterator[Any], file: str, kind: str, format_name: str) -> Iterator[Parsed]:
    import pyarrow as pa

    line = 0
    try:
        for batch in batches:
            names = batch.schema.names
            if twice := sorted({name for name in names if names.count(name) > 1}):
                message = f"the columns {', '.join(map(repr, twice))} stand more than once"
                yield whole_file(file, "duplicate_column", message)
                return
            batch.validate(full=True)
            for start in range(0, batch.num_rows, _ROWS):
                for record in batch.slice(start, _ROWS).to_pylist():
                    line += 1
                    yield line, record
    # Values that Python cannot hold, such as a year beyond 9999, are errors of its own kinds.
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, TypeError, NotImplementedError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        yield fault(file, line + 1, kind, f"not readable {format_name}: {first}; the rest of the file is not read")
