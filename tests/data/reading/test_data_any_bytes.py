"""Any bytes given to any reader end in rows and findings, or in a clear error; never in another exception."""

import contextlib
import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kamerton.data.reading import ReadResult, read_sources
from kamerton.ground.errors import KamertonError
from kamerton.recipe import Source

TEXTS = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".md"]
SUFFIXES = [*TEXTS, *(f"{suffix}{packed}" for suffix in TEXTS for packed in (".gz", ".zst")), ".parquet", ".arrow"]
PIECES = [
    *('{"text": "a"}', '{"instruction": "a", "output": "b"}', "[", "]", "{", "}", ",", ";", "|", "\t", '"', "'", ":"),
    *(
        "\n",
        "\r\n",
        "\r",
        " ",
        "\x00",
        "\ufeff",
        "ż",
        "„",
        "a,b",
        "1,5",
        "#",
        "```",
        "null",
        "NaN",
        "1e999",
        "\\u",
        "\\ud800",
    ),
    *(
        "text",
        "prompt,completion",
        '{"messages": [{"role": "user", "content": "a"}]}',
        "-" * 70,
        "1" * 5000,
        "[" * 1100,
    ),
]
ENCODINGS = ["utf-8", "utf-8-sig", "cp1250", "iso-8859-2", "utf-16", "utf-16-le", "utf-32-be"]
pieces = st.builds(
    lambda parts, encoding: "".join(parts).encode(encoding, "replace"),
    st.lists(st.sampled_from(PIECES), max_size=30),
    st.sampled_from(ENCODINGS),
)
contents = st.one_of(
    st.binary(max_size=300),
    pieces,
    st.builds(lambda *parts: b"\n".join(parts), pieces, st.binary(max_size=40), pieces),
)


def packed(data: bytes, suffix: str) -> bytes:
    if suffix.endswith(".gz"):
        return gzip.compress(data)
    if suffix.endswith(".zst"):
        return bytes(pytest.importorskip("zstandard").compress(data))
    return data


def read(name: str, data: bytes, shape: str = "auto") -> ReadResult | None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        try:
            return read_sources([Source(source=name, shape=shape)], root=Path(folder))  # type: ignore[arg-type]
        except KamertonError:
            return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SUFFIXES), contents, st.booleans(), st.sampled_from(["auto", "text", "messages", "preference"]))
@example(".json", b"[" * 100_000, True, "auto")
@example(".json", b'{"a": ' * 1010 + b"1" + b"}" * 1010, True, "auto")
@example(".jsonl", b'{"a" : ' * 1010 + b"1" + b"}" * 1010, True, "auto")
@example(".json", b'[{"a": ' + b"1" * 5000 + b"}]", True, "auto")
@example(".csv", b'"' * 999, True, "auto")
@example(".csv", b"a\rb,c\nd", True, "auto")
def test_any_bytes_under_any_name(suffix: str, data: bytes, as_named: bool, shape: str) -> None:
    result = read(f"a{suffix}", packed(data, suffix) if as_named else data, shape)
    if result is not None:
        report = result.sources[0]
        assert report.rows_ok == len(result.rows) <= report.rows_read
        assert result.rows or any(finding.severity == "error" for finding in result.findings)
        for row in result.rows:
            json.dumps(row.content, ensure_ascii=False).encode()


@given(st.binary(max_size=60))
@settings(max_examples=100)
def test_any_name_of_a_source(name: bytes) -> None:
    source = name.decode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KamertonError):
        read_sources([source], root=Path(folder))


@settings(max_examples=150)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=1),
    st.sampled_from(ENCODINGS),
)
def test_json_lines_come_back_from_every_encoding_that_can_write_them(texts: list[str], encoding: str) -> None:
    if encoding in {"cp1250", "iso-8859-2"}:
        texts = [text.encode("ascii", "ignore").decode() + "ąę śćż łódź" for text in texts]
    data = "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts).encode(encoding)
    result = read("a.jsonl", data)
    assert result is not None
    assert [row.text for row in result.rows] == texts


def test_letters_of_another_script_among_bytes_of_no_encoding() -> None:
    result = read(
        "a.jsonl", b'{"text": "K\xc1\x82\xff"}\n' + '{"text": "K\u06c2K"}'.encode() + b"\n\xc1\xc1\xff\xff\x81\n"
    )
    assert result is not None
    assert [row.text for row in result.rows] == ["K\u06c2K"]
