"""Texts, Markdown, Parquet and Arrow."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from kamerton.data.reading import ReadResult, read_sources

PAIRS = [("a", "b"), ("c", "ż")]


def read(tmp_path: Path, name: str, content: str) -> ReadResult:
    (tmp_path / name).write_text(content, newline="")
    return read_sources([name], root=tmp_path)


def test_a_text_file_has_one_row_a_line(tmp_path: Path) -> None:
    result = read(tmp_path, "a.txt", "first\r\n\n \n  third \nfourth")
    assert [(row.line, row.text) for row in result.rows] == [(1, "first"), (4, "  third "), (5, "fourth")]
    assert [(finding.line, finding.kind, finding.message) for finding in result.findings] == [
        (2, "blank_line", "the lines 2 to 3 are blank; skipped")
    ]
    assert result.sources[0].shape == "text"


MARKDOWN = """Before.

# Title

## First
Text.

### Deeper
More.
```sh
# no heading
```
~~~~
## none either
~~~
~~~~

## Second
 # indented by one is a heading
#no heading
####### neither
"""


def test_markdown_has_one_row_a_section(tmp_path: Path) -> None:
    result = read(tmp_path, "a.md", MARKDOWN)
    starts = [(row.line, (row.text or "").splitlines()[0]) for row in result.rows]
    assert starts == [(1, "Before."), (3, "# Title"), (18, "## Second")]
    assert (result.rows[1].text or "").endswith("~~~\n~~~~")
    assert (result.rows[2].text or "").endswith("####### neither")
    assert result.findings == []


def test_markdown_of_many_lines_loses_nothing(tmp_path: Path) -> None:
    content = "\n\n".join(f"# Heading {number}\n\nBody {number}." for number in range(100))
    assert "\n\n".join(row.text or "" for row in read(tmp_path, "a.md", content).rows) == content


def table(**columns: Any) -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.table(columns or {"prompt": [a for a, _ in PAIRS], "completion": [b for _, b in PAIRS]})


def write(path: Path, content: Any, kind: str) -> None:
    pa = pytest.importorskip("pyarrow")
    if kind == "stream":
        with pa.ipc.new_stream(str(path), content.schema) as file:
            file.write_table(content, max_chunksize=1)
    elif kind == "file":
        with pa.ipc.new_file(str(path), content.schema) as file:
            file.write_table(content, max_chunksize=1)
    else:
        pytest.importorskip("pyarrow.feather").write_feather(content, str(path), compression="zstd")


@pytest.mark.parametrize(
    ("name", "kind"), [("a.arrow", "stream"), ("a.arrow", "file"), ("a.feather", "file"), ("a.feather", "feather")]
)
def test_arrow_files_and_streams(tmp_path: Path, name: str, kind: str) -> None:
    write(tmp_path / name, table(), kind)
    result = read_sources([name], root=tmp_path)
    assert [(row.line, row.prompt[-1]["content"], row.answer) for row in result.rows] == [(1, "a", "b"), (2, "c", "ż")]
    assert result.findings == []
    assert result.sources[0].encoding == "binary"


@pytest.mark.parametrize("suffix", [".arrow", ".parquet", ".feather"])
@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: b"", lambda data: b"nothing of the kind"])
def test_a_broken_column_file_is_a_finding(tmp_path: Path, suffix: str, spoil: Any) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table(), path)
    else:
        write(path, table(), "file")
    path.write_bytes(spoil(path.read_bytes()))
    result = read_sources([path.name], root=tmp_path)
    kinds = {finding.kind for finding in result.findings}
    assert kinds & {"broken_parquet", "broken_arrow", "empty_file"}
    assert len(result.findings) <= 2


def test_values_that_python_cannot_hold_are_a_finding(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    times = pa.array([0, 2**62], pa.timestamp("s"))
    write(tmp_path / "a.arrow", table(text=["a", "b"], time=times), "file")
    result = read_sources(["a.arrow"], root=tmp_path)
    assert "broken_arrow" in {finding.kind for finding in result.findings}


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    double = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    write(tmp_path / "a.arrow", double, "file")
    assert [finding.kind for finding in read_sources(["a.arrow"], root=tmp_path).findings] == ["duplicate_column"]


def test_columns_of_other_types_do_not_stop_the_reading(tmp_path: Path) -> None:
    day = datetime.date(2024, 1, 1)
    write(tmp_path / "a.arrow", table(text=["a"], day=[day], raw=[b"\xff"], parts=[[1.5, None]]), "file")
    result = read_sources(["a.arrow"], root=tmp_path)
    assert [row.text for row in result.rows] == ["a"]
    assert [finding.kind for finding in result.findings] == ["unused_columns"]
