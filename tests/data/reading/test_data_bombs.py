"""A few bytes that stand for billions of rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from kamerton.data import read_sources


@pytest.mark.parametrize("columns", [{}, {"nothing": pa.nulls(0)}])
def test_billions_of_rows_of_no_shape_are_given_up(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    rows = (1 << 31) - 1
    schema = pa.schema([(name, pa.null()) for name in columns])
    arrays = [pa.Array.from_buffers(pa.null(), rows, [None]) for _ in columns]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema) if columns else _without_columns(rows)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch)
    result = read_sources(["a.arrow"], root=tmp_path)
    assert result.rows == []
    assert result.findings
    assert result.rows_read <= 2000


def _without_columns(rows: int) -> pa.RecordBatch:
    one = pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.null(), rows, [None])], names=["x"])
    return one.select([])
