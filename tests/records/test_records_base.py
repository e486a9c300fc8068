"""Records are frozen, versioned, written whole and read strictly."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import StorageError
from kamerton.records import Part, Record


class Inner(Part):
    share: float | None = None


class Sample(Record):
    kind: Literal["sample"] = "sample"
    name: str
    inner: Inner = Inner()
    counts: dict[str, int] = Field(default_factory=dict)
    rows: tuple[str, ...] = ()


class Newer(Record):
    kind: Literal["sample"] = "sample"
    schema_version: int = 2
    name: str


samples = st.builds(
    Sample,
    name=st.text(st.characters(exclude_categories=["Cs"])),
    inner=st.builds(Inner, share=st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    counts=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**62), 2**62)),
    rows=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
)


@given(samples)
def test_what_is_written_reads_back(tmp_path_factory, record: Sample) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("record") / "a" / "record.json"
    record.write(path)
    again = Sample.read(path)
    assert again == record
    assert again.digest == record.digest
    text = path.read_text(encoding="utf-8")
    assert text == canonical_json(json.loads(text)) + "\n"
    assert record.digest == digest(json.loads(text))


def test_a_record_is_frozen_and_strict() -> None:
    record = Sample(name="a")
    with pytest.raises(ValidationError, match="frozen"):
        record.name = "b"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Sample.model_validate({"name": "a", "nmae": "b"})
    with pytest.raises(ValidationError, match="finite"):
        Inner(share=float("nan"))
    assert (record.schema_version, record.kind) == (1, "sample")


def test_the_digest_hears_every_value() -> None:
    records: list[Record] = [Sample(name="a"), Sample(name="b"), Sample(name="a", counts={"x": 1}), Newer(name="a")]
    assert len({record.digest for record in records}) == 4


GOOD: dict[str, Any] = {"kind": "sample", "schema_version": 1, "name": "a"}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "Sample: Input should be an object"),
        (json.dumps(GOOD | {"kind": "run"}).encode(), "kind: Input should be 'sample'"),
        (json.dumps(GOOD | {"more": 1}).encode(), "more: Extra inputs are not permitted"),
        (json.dumps({"kind": "sample"}).encode(), "name: Field required"),
        (json.dumps(GOOD | {"inner": {"share": "x"}}).encode(), "inner.share: Input should be a valid number"),
        (json.dumps(GOOD | {"schema_version": 2}).encode(), "has schema version 2"),
        (json.dumps(GOOD | {"schema_version": 0}).encode(), "has schema version 0"),
        (json.dumps(GOOD).encode()[:-10], "Invalid JSON"),
        (json.dumps(GOOD | {"inner": {"share": float("nan")}}).encode(), "not a readable Sample"),
    ],
)
def test_what_is_no_record_is_refused_with_the_fault(tmp_path: Path, payload: bytes, told: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(payload)
    with pytest.raises(StorageError) as caught:
        Sample.read(path)
    assert told in str(caught.value)
    assert caught.value.where == str(path)


def test_a_newer_record_says_how_to_read_it(tmp_path: Path) -> None:
    Newer(name="a").write(tmp_path / "record.json")
    with pytest.raises(StorageError) as caught:
        Sample.read(tmp_path / "record.json")
    assert caught.value.expected == "schema version 1"
    assert Newer.read(tmp_path / "record.json").name == "a"


def test_a_record_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "record.json", tmp_path):
        with pytest.raises(StorageError, match="no Sample here") as caught:
            Sample.read(path)
        assert caught.value.where == str(path)

    def forbidden(*_: Any, **__: Any) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(StorageError, match="permission denied"):
        Sample.read(tmp_path / "record.json")


def test_a_record_is_written_whole_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space is left"):
        Sample(name="a").write(path)
    assert list(tmp_path.iterdir()) == []
