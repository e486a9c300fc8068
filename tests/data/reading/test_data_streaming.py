"""Streaming: a file is read in bounded memory, a batch at a time, packed or not, and up to where it is damaged."""

import gzip
import json
import resource
import subprocess
import sys
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest

from kamerton.data.reading import Batch, iterate, read_sources
from kamerton.data.reading.jsons import read_json
from kamerton.data.reading.text import Text
from kamerton.ground.digests import file_digest

RECORD = json.dumps({"instruction": "Kto wydaje dowód?" * 5, "output": "Urząd gminy. " * 20 + "%"}, ensure_ascii=False)
MB = 1 << 20


def zst(path: Path) -> BinaryIO:
    zstandard = pytest.importorskip("zstandard")
    return zstandard.open(path, "wb")  # type: ignore[no-any-return]


def packed(path: Path) -> BinaryIO:
    """A file that is packed as its name says."""
    if path.suffix == ".gz":
        return gzip.open(path, "wb")  # type: ignore[return-value]
    return zst(path) if path.suffix == ".zst" else path.open("wb")


def random_letters(rows: int) -> list[str]:
    """What keeps a packer from making next to nothing of a file."""
    letters = b64encode(Random(1).randbytes(36 * rows)).decode()
    return [letters[48 * row : 48 * row + 48] for row in range(rows)]


def fill(path: Path, size: int) -> int:
    """Write rows of about this many bytes in the format that the name says; the number of rows."""
    first, row, between, last = {
        "jsonl": ("", RECORD, "\n", ""),
        "json": ("[", RECORD, ",\n", "]"),
        "csv": ("instruction,output\n", f'"{"Kto? " * 20}","{"Urząd, gmina. " * 20}%"', "\n", ""),
        "txt": ("", "Urząd gminy wydaje dowód. " * 12 + "%", "\n", ""),
    }[path.name.split(".")[1]]
    rows = size // len(row.encode())
    letters = random_letters(min(rows, 20_000))
    with packed(path) as file:
        file.write(first.encode())
        for start in range(0, rows, 20_000):
            some = letters[: rows - start]
            file.write((between if start else "").encode() + between.join(row.replace("%", x) for x in some).encode())
        file.write(last.encode())
    return rows


@pytest.mark.parametrize(
    "name",
    [
        *("a.jsonl", "a.json", "a.csv", "a.txt", "a.jsonl.gz"),
        pytest.param("a.csv.zst", marks=pytest.mark.slow),
        pytest.param("a.json.zst", marks=pytest.mark.slow),
    ],
)
def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    rows = fill(tmp_path / name, 5 * MB)
    next(iterate([name], root=tmp_path)).rows.clear()  # imports
    for place in ("stream.BLOCK", "text.BLOCK"):
        monkeypatch.setattr(f"kamerton.data.reading.{place}", 1 << 16)
    monkeypatch.setattr("kamerton.data.reading.read._BYTES", 1 << 18)
    tracemalloc.start()
    seen = sum(len(batch.rows) for batch in iterate([name], root=tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == rows
    assert peak < 5 * MB


def test_a_parquet_file_is_read_a_slice_at_a_time(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": [f"{number} " + "słowo " * 100 for number in range(30_000)]})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=30_000)
    del table
    base = pa.total_allocated_bytes()
    peak = rows = 0
    for batch in iterate(["a.parquet"], root=tmp_path):
        rows += len(batch.rows)
        peak = max(peak, pa.total_allocated_bytes() - base)
    assert rows == 30_000
    assert peak < 12 * MB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv.gz", "a.jsonl.zst"])
def test_a_file_larger_than_the_memory_allowed(tmp_path: Path, name: str) -> None:
    rows = fill(tmp_path / name, 300 * MB)
    program = (
        "import sys; from pathlib import Path; from kamerton.data.reading import iterate\n"
        "rows = sum(len(batch.rows) for batch in iterate([sys.argv[2]], root=Path(sys.argv[1])))\n"
        "print(rows, *(int(line.split()[1]) // 1024 for line in open('/proc/self/status') if 'VmHWM' in line))"
    )
    # Not ru_maxrss: Linux hands the parent's on to a child.
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), name], capture_output=True, text=True)
    counted, megabytes = map(int, done.stdout.split())
    (tmp_path / name).unlink()
    assert counted == rows
    assert megabytes < 250


def test_batches_are_bounded_and_the_report_comes_with_the_last(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text((RECORD + "\n") * 5000)
    batches = list(iterate(["a.jsonl"], root=tmp_path))
    assert all(len(batch.rows) <= 1100 for batch in batches)
    assert [batch.source is not None for batch in batches] == [False] * (len(batches) - 1) + [True]
    report = batches[-1].source
    assert report is not None
    assert (report.rows_read, report.rows_ok) == (5000, 5000)
    assert report.sha256 == file_digest(tmp_path / "a.jsonl")


def test_long_rows_make_small_batches(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text((json.dumps({"text": "x" * MB}) + "\n") * 20)
    assert max(len(batch.rows) for batch in iterate(["a.jsonl"], root=tmp_path)) <= 6


def test_the_digest_is_of_the_whole_file_even_when_rows_are_left(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text((RECORD + "\n") * 9000)
    result = read_sources(["a.jsonl"], root=tmp_path, max_rows=3)
    assert len(result.rows) == 3
    assert result.sources[0].sha256 == file_digest(tmp_path / "a.jsonl")


@pytest.mark.parametrize("compression", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_packed_files_are_as_plain_ones(tmp_path: Path, name: str, compression: str) -> None:
    fill(tmp_path / name, 100_000)
    plain = (tmp_path / name).read_bytes()
    half = len(plain) // 2
    path = tmp_path / f"{name}{compression}"
    for part in (plain[:half], plain[half:]):  # two members (frames), one after the other
        with packed(tmp_path / f"part{compression}") as file:
            file.write(part)
        with path.open("ab") as file:
            file.write((tmp_path / f"part{compression}").read_bytes())
    one, other = (read_sources([source], root=tmp_path) for source in (name, path.name))
    assert [row.content for row in one.rows] == [row.content for row in other.rows]
    assert other.sources[0].sha256 == file_digest(path)
    assert other.findings == []


@pytest.mark.parametrize("compression", [".gz", ".zst"])
@pytest.mark.parametrize(
    "spoil", [lambda data: data[: len(data) // 2], lambda data: data[:-3], lambda data: data + b"junk"]
)
def test_a_damaged_packed_file_gives_what_comes_before(
    tmp_path: Path, compression: str, spoil: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.txt{compression}"
    with packed(path) as file:
        for number in range(60_000):
            file.write(f"line {number * 7919 % 60_000} and {number}\n".encode())
    path.write_bytes(spoil(path.read_bytes()))
    result = read_sources([path.name], root=tmp_path)
    assert [finding.kind for finding in result.findings] == ["broken_compression"]
    assert result.sources[0].sha256 == file_digest(path)
    assert len(result.rows) > 1000


@pytest.mark.parametrize("compression", [".gz", pytest.param(".zst", marks=pytest.mark.slow)])
@pytest.mark.parametrize("filler", [b"\x00", b"\n", b"x", b'"', b"["])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_bomb_is_unpacked_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, compression: str, filler: bytes
) -> None:
    for module in ("text", "jsons", "tables"):
        monkeypatch.setattr(f"kamerton.data.reading.{module}.MAX_ROW", 2 * MB)
    with packed(tmp_path / f"{name}{compression}") as file:
        file.write(b"a,b\n" if name == "a.csv" else b"")
        for _ in range(1 if filler == b"\n" else 20):
            file.write(filler * MB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = read_sources([f"{name}{compression}"], root=tmp_path)
    assert result.rows == []
    assert 1 <= len(result.findings) <= 40
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_line_too_long_costs_that_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kamerton.data.reading.text.MAX_ROW", MB)
    (tmp_path / "a.txt").write_text("one\n" + "x" * 5 * MB + "\nthree\n" + "y" * 5 * MB)
    result = read_sources(["a.txt"], root=tmp_path)
    assert [(row.line, row.text) for row in result.rows] == [(1, "one"), (3, "three")]
    assert [(finding.line, finding.kind) for finding in result.findings] == [(2, "row_too_long"), (4, "row_too_long")]
    assert result.rows_read == 4


def test_a_file_without_one_readable_line_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("no json\n" * 100_000)
    result = read_sources(["a.jsonl"], root=tmp_path)
    assert [finding.line for finding in result.findings] == [0]
    assert "none of the first 1,000 rows" in result.findings[0].message
    assert result.rows_read == 1000


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_read_over_the_ends_of_blocks(size: int, indent: int | None) -> None:
    records = [{"a": 'ż\\"ó]},{\n', "n": [1.5, -2, True, None, {"x": []}]}, {"b": "\u2028 \t"}, {}]
    data = json.dumps(records, indent=indent, ensure_ascii=False).encode()
    chunks = iter([data[:3], *(data[start : start + size] for start in range(3, len(data), size))])
    items = list(read_json(Text(chunks, "f")))
    assert [item[1] for item in items if isinstance(item, tuple)] == records


def test_a_long_element_costs_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'[{"text": "' + b"x" * 20 * MB + b'"}, {"text": "y"}]'

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), 1 << 14):
            yield data[start : start + (1 << 14)]

    lengths = [len(item[1]["text"]) for item in read_json(Text(chunks(), "f")) if isinstance(item, tuple)]
    assert lengths == [20 * MB, 1]


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(RECORD)
    batches: Iterator[Batch] = iterate(["a.jsonl", "none.jsonl"], root=tmp_path)
    assert len(next(batches).rows) == 1
