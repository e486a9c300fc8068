"""The room as a whole: cheap to import, and real broken files give clear findings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kamerton.data import read_sources

MESSY = Path(__file__).parents[3] / "shared" / "data" / "messy" / "derived-broken"


def test_importing_the_room_is_cheap() -> None:
    code = (
        "import sys, kamerton.data; print([m for m in ('numpy','pyarrow','lance','rensa','torch') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )
    assert output.stdout.strip() == "[]"


@pytest.mark.skipif(not MESSY.is_dir(), reason="the shared collection of broken files is not here")
@pytest.mark.parametrize(
    ("name", "rows", "lines"),
    [
        ("alpaca_broken_lines.jsonl", 50, [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]),
        ("alpaca_utf8_bom_crlf.jsonl", 60, []),
        ("alpaca_mixed_types.jsonl", 54, [0, 2, 3, 4, 5, 8, 10]),
        ("one_huge_line.jsonl", 1, []),
        ("ragged.csv", 0, [2, 3, 4]),
    ],
)
def test_real_broken_files(name: str, rows: int, lines: list[int]) -> None:
    result = read_sources([name], root=MESSY)
    assert len(result.rows) == rows
    assert [finding.line for finding in result.findings] == lines


@pytest.mark.skipif(not MESSY.is_dir(), reason="the shared collection of broken files is not here")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("alpaca_cp1250.csv", "bad_encoding"),
        ("alpaca_iso8859_2.csv", "bad_encoding"),
        ("alpaca_utf16le.jsonl", "bad_encoding"),
        ("binary_named.jsonl", "not_text"),
        ("empty.jsonl", "empty_file"),
        ("only_header.csv", "empty_file"),
        ("duplicate_header.csv", "duplicate_column"),
        ("dpo_faulty.jsonl", "unknown_shape"),
    ],
)
def test_real_hopeless_files(name: str, kind: str) -> None:
    result = read_sources([name], root=MESSY)
    assert [finding.kind for finding in result.findings] == [kind]
    assert result.rows == []
