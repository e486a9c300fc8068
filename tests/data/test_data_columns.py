"""Columns: a table holds what the rows say, in one order."""

import pytest

from kamerton.data.columns import SCHEMA, to_rows, to_table
from kamerton.data.rows import Row

pytest.importorskip("pyarrow")


def test_rows_survive_the_table_in_the_order_of_their_hashes() -> None:
    turns = ({"role": "user", "content": "Źródło?"}, {"role": "assistant", "content": 'cy"tat\n'})
    rows = [
        Row(messages=turns, category="k", group="g", file="b", line=2),  # type: ignore[arg-type]
        Row(text="", file="a", line=1),
        Row(text="", file="a", line=3),
        Row(text="\u0000 łódź"),
    ]
    table = to_table(list(reversed(rows)))
    assert {name: str(kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)} == SCHEMA
    assert table["row_hash"].to_pylist() == sorted(row.row_hash for row in rows)
    back = to_rows(table)
    assert back == sorted(rows, key=lambda row: (row.row_hash, row.line))
    assert [row.row_hash for row in back] == table["row_hash"].to_pylist()


def test_no_rows_make_a_table_with_all_columns() -> None:
    assert to_rows(to_table([])) == []
