"""Reading: each format, each encoding, and what a broken file gets."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.reading import ReadResult, read_sources
from kamerton.data.reading.jsons import read_json, read_jsonl
from kamerton.data.reading.parsed import Parsed
from kamerton.data.reading.text import Text
from kamerton.ground.errors import DataError, StorageError
from kamerton.records.data import Finding

PAIRS = [("Kto wydaje dowód?", "Urząd gminy."), ("Ile to kosztuje?", "Nic, a „źle” kończy się żółcią.")]
RECORDS = [{"instruction": question, "input": "", "output": answer} for question, answer in PAIRS]
LINES = [json.dumps(record, ensure_ascii=False) for record in RECORDS]


def read(tmp_path: Path, name: str, content: str | bytes, **options: object) -> ReadResult:
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(data)
    return read_sources([name], root=tmp_path, **options)  # type: ignore[arg-type]


def only(result: ReadResult) -> Finding:
    assert len(result.findings) == 1, result.findings
    return result.findings[0]


def places(result: ReadResult) -> list[tuple[int, str]]:
    return [(finding.line, finding.kind) for finding in result.findings]


def pairs(result: ReadResult) -> list[tuple[str, str]]:
    return [(row.prompt[-1]["content"], row.answer) for row in result.rows]


CSV = "instruction,input,output\n" + "".join(f'"{question}","","{answer}"\n' for question, answer in PAIRS)


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.jsonl", "\n".join(LINES) + "\n", [1, 2]),
        ("a.jsonl", "\n".join(LINES), [1, 2]),
        ("a.ndjson", "\r\n".join(LINES) + "\r\n", [1, 2]),
        ("a.JSONL", "\n".join(LINES), [1, 2]),
        ("a.json", "[" + ", ".join(LINES) + "]", [1, 1]),
        ("a.json", json.dumps(RECORDS, indent=1, ensure_ascii=False) + "\n", [2, 7]),
        ("a.json", "\n".join(LINES), [1, 2]),
        ("a.csv", CSV, [2, 3]),
        ("a.csv", CSV.replace('","', '";"').replace("n,i", "n;i").replace("t,o", "t;o"), [2, 3]),
        ("a.tsv", CSV.replace('","', '"\t"').replace("n,i", "n\ti").replace("t,o", "t\to"), [2, 3]),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_each_format_gives_the_same_rows(
    tmp_path: Path, name: str, content: str, lines: list[int], mark: bytes
) -> None:
    data = mark + content.encode()
    result = read(tmp_path, name, data)
    assert pairs(result) == PAIRS
    assert [row.line for row in result.rows] == lines
    assert {row.file for row in result.rows} == {name}
    assert result.findings == []
    source = result.sources[0]
    assert (source.rows_read, source.rows_ok, source.shape) == (2, 2, "alpaca")
    assert source.encoding == ("utf-8-sig" if mark else "utf-8")
    assert source.sha256 == hashlib.sha256(data).hexdigest()


def test_parquet_rows_are_numbered_from_one(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in PAIRS]
    parquet.write_table(pa.table({"messages": turns, "category": ["x", None]}), tmp_path / "a.parquet")
    result = read_sources(["a.parquet"], root=tmp_path)
    assert pairs(result) == PAIRS
    assert [(row.line, row.category) for row in result.rows] == [(1, "x"), (2, "")]


def test_broken_parquet_is_a_finding(tmp_path: Path) -> None:
    finding = only(read(tmp_path, "a.parquet", b"PAR1 no PAR1"))
    assert finding.kind == "broken_parquet"


def test_a_single_object_is_one_row(tmp_path: Path) -> None:
    result = read(tmp_path, "a.json", "\n" + json.dumps(RECORDS[0], indent=2))
    assert [row.line for row in result.rows] == [2]


def test_broken_lines_are_named_and_the_others_survive(tmp_path: Path) -> None:
    lines = [
        LINES[0],
        LINES[1][:40],
        "",
        LINES[0] + LINES[1],
        "{'instruction': 'a', 'output': 'b'}",
        '{"instruction": NaN, "output": "b"}',
        "[1, 2]",
        "null",
        '"text"',
        '{"instruction": "a", "output": "b",}',
        '\x00{"instruction": "a", "output": "b"}',
        '{"instruction": "a", "output": "b", "output": "c"}',
        '{"instruction": "a \\"input\\": not a key", "output": "b"}',
        '{"instruction" : "spaces are fine", "output" : "b"}',
        LINES[1],
    ]
    result = read(tmp_path, "a.jsonl", "\n".join(lines))
    assert [row.line for row in result.rows] == [1, 13, 14, 15]
    kinds = ["broken_json", "blank_line", *["broken_json"] * 3, *["not_an_object"] * 3, *["broken_json"] * 2]
    assert places(result) == [*zip(range(2, 12), kinds, strict=True), (12, "duplicate_key")]
    assert (result.rows_read, result.rows_ok) == (14, 4)
    messages = {finding.line: finding.message for finding in result.findings}
    assert "NaN" in messages[6]
    assert "NUL" in messages[11]
    assert "'output'" in messages[12]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jsonl", b"", "empty_file"),
        ("a.json", b" \n", "empty_file"),
        ("a.csv", b"\xef\xbb\xbf", "empty_file"),
        ("a.csv", b"instruction,output\n", "empty_file"),
        ("a.json", b"[]", "empty_file"),
        ("a.csv", b"instruction,output,output\na,b,c\n", "duplicate_column"),
        ("a.jsonl", b"\x80\x00\x01\x02\n\xff\x00\n\xfe", "not_text"),
        ("a.jsonl", b"# a comment\nanother\n", "broken_json"),
        ("a.jsonl", b'{"body": "a"}\n{"body": "b"}\n', "unknown_shape"),
    ],
)
def test_a_hopeless_file_is_one_finding(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    result = read(tmp_path, name, content)
    assert (only(result).kind, only(result).severity, result.rows) == (kind, "error", [])


@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_under_the_name_of_lines_is_read_as_one(tmp_path: Path, indent: int | None) -> None:
    result = read(tmp_path, "a.jsonl", json.dumps(RECORDS, indent=indent).encode())
    assert (only(result).kind, only(result).severity, len(result.rows)) == ("not_json_lines", "warning", len(RECORDS))


def test_lines_that_are_arrays_are_no_array(tmp_path: Path) -> None:
    result = read(tmp_path, "a.jsonl", b"[1]\n[2]\n" + json.dumps(RECORDS[0]).encode())
    assert [finding.kind for finding in result.findings] == ["not_an_object", "not_an_object"]
    assert len(result.rows) == 1


@pytest.mark.parametrize(
    ("tail", "line"), [(',\n {"instruction": "cut', 3), ("", 2), (',\n {"instruction": 1} {}]', 3), ("] x", 2)]
)
def test_a_truncated_array_keeps_what_stands_before(tmp_path: Path, tail: str, line: int) -> None:
    result = read(tmp_path, "a.json", "[\n" + LINES[0] + tail)
    assert pairs(result)[:1] == PAIRS[:1]
    assert (line, "broken_json") in places(result)


def test_a_bottomless_array_is_a_finding(tmp_path: Path) -> None:
    result = read(tmp_path, "a.json", "[" + LINES[0] + "," + "[" * 200_000)
    assert places(result) == [(1, "broken_json")]
    assert len(result.rows) == 1


def test_csv_rows_keep_their_lines_and_cells(tmp_path: Path) -> None:
    long = "x" * 200_000
    content = f'instruction,output\n"two\nlines","a ""quote"""\nb\n\nc,d,e\nf,{long}\n"open,g\nh,i\n'
    result = read(tmp_path, "a.csv", content)
    assert pairs(result) == [("two\nlines", 'a "quote"'), ("f", long), ("h", "i")]
    assert [row.line for row in result.rows] == [2, 7, 9]
    assert places(result) == [(4, "ragged_row"), (5, "blank_line"), (6, "ragged_row"), (8, "broken_csv")]
    assert "not closed" in result.findings[-1].message
    assert (result.rows_read, result.rows_ok) == (6, 3)


def test_the_shape_is_what_most_rows_have(tmp_path: Path) -> None:
    result = read(tmp_path, "a.jsonl", "\n".join(['{"text": "odd"}', *LINES]))
    assert result.sources[0].shape == "alpaca"
    assert result.sources[0].shape_reason == "columns instruction and output in 2 of the first 3 rows"
    assert places(result) == [(0, "unused_columns"), (1, "missing_column")]


def test_a_given_shape_is_taken_at_its_word(tmp_path: Path) -> None:
    line = json.dumps({"text": "t", "instruction": "a", "output": "b"})
    assert read(tmp_path, "a.jsonl", line).rows[0].text is None
    assert read(tmp_path, "a.jsonl", line, shape="text").rows[0].text == "t"


def test_columns_that_nobody_reads_are_a_warning(tmp_path: Path) -> None:
    finding = only(read(tmp_path, "a.jsonl", json.dumps(RECORDS[0] | {"kind": "x", "act": 3})))
    assert (finding.line, finding.severity) == (0, "warning")
    assert "act, kind" in finding.message


@pytest.mark.parametrize("count", [1, 99, 100, 101, 150])
def test_max_rows_takes_the_first_of_each_file(tmp_path: Path, count: int) -> None:
    lines = [json.dumps({"text": str(number)}) for number in range(150)]
    (tmp_path / "b.jsonl").write_text("\n\n" + "\n".join(lines))
    result = read(tmp_path, "a.jsonl", "broken\n" + "\n".join(lines), max_rows=count)
    assert (result.rows_read, result.rows_ok) == (count, count - 1)
    both = read_sources(["a.jsonl", "b.jsonl"], root=tmp_path, max_rows=count)
    assert [source.rows_read for source in both.sources] == [count, count]


def test_globs_are_sorted_and_paths_may_be_absolute(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("deep/b.jsonl", "deep/a.jsonl", "c[1].jsonl"):
        (tmp_path / name).write_text(LINES[0])
    result = read_sources(["c[1].jsonl", "**/*.jsonl", str(tmp_path / "deep" / "a.jsonl")], root=tmp_path)
    names = [source.file for source in result.sources]
    assert names == ["c[1].jsonl", "c[1].jsonl", "deep/a.jsonl", "deep/b.jsonl", "deep/a.jsonl"]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("no.jsonl", "no such file"),
        ("*.jsonl", "no file matches"),
        (".", "nothing here can be read"),
        ("a.xlsx", "'.xlsx'"),
        ("b", "suffix"),
    ],
)
def test_a_source_that_cannot_be_asked_for(tmp_path: Path, source: str, what: str) -> None:
    for name in ("a.xlsx", "b"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=what) as error:
        read_sources([source], root=tmp_path)
    assert source in error.value.where
    assert error.value.expected
    assert error.value.mend


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(LINES[0])
    path.chmod(0)
    with pytest.raises(StorageError, match="permission denied") as error:
        read_sources(["a.jsonl"], root=tmp_path)
    assert error.value.mend == f"chmod u+r {path}"
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def test_a_refused_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text(LINES[0])

    def refuse(path: Path) -> BinaryIO:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("kamerton.data.reading.files._Opened", refuse)
    with pytest.raises(StorageError, match="permission denied") as error:
        read_sources(["a.jsonl"], root=tmp_path)
    assert error.value.mend == f"chmod u+r {tmp_path / 'a.jsonl'}"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here fails while it is read")
def test_a_disk_that_fails_while_it_is_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to("/proc/self/mem")
    with pytest.raises(StorageError, match="Input/output error") as error:
        read_sources(["a.jsonl"], root=tmp_path)
    assert error.value.where == str(tmp_path / "a.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=5), json_values, max_size=4), max_size=5), st.sampled_from([None, 1]))
def test_json_arrays_and_lines_give_back_what_was_written(records: list[dict[str, object]], indent: int | None) -> None:
    array = json.dumps(records, indent=indent, ensure_ascii=False)
    lines = "\n".join(json.dumps(record) for record in records)
    if any("\ud800" <= char <= "\udfff" for char in array):
        return
    assert parsed(read_json, array) == json.loads(array)
    assert parsed(read_jsonl, lines) == records


def parsed(reader: Callable[[Text], Iterator[Parsed]], content: str) -> list[object]:
    return [item[1] for item in reader(Text(iter([content.encode()]), "f")) if isinstance(item, tuple)]
