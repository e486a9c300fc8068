"""Pointers: what Git keeps, written the same each time, read strictly."""

from pathlib import Path

import pytest

from kamerton.data.versions.pointer import read_pointer, write_pointer
from kamerton.ground.errors import DataError, StorageError
from kamerton.records.data import DatasetVersion


def version_with(*tags: str) -> DatasetVersion:
    return DatasetVersion(
        name="d",
        version=4,
        tags=list(tags),
        fingerprint="f" * 64,
        rows=3,
        created="2026-01-01T00:00:00+00:00",
        message="",
    )


def test_a_pointer_says_what_git_keeps(tmp_path: Path) -> None:
    path = tmp_path / "datasets" / "d.json"
    pointer = write_pointer(path, version_with("t", "u"), ".kamerton/datasets/d.lance")
    assert read_pointer(path) == pointer
    assert '"schema":{"augmented_from":"string","category":"string"' in path.read_text()
    assert (pointer.name, pointer.tag, pointer.version, pointer.fingerprint, pointer.rows) == ("d", "t", 4, "f" * 64, 3)


def test_the_same_version_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    write_pointer(path, version_with("t"), "x")
    before = path.read_bytes()
    write_pointer(path, version_with("t"), "x", tag="t")
    assert path.read_bytes() == before


def test_a_version_without_a_tag(tmp_path: Path) -> None:
    assert write_pointer(tmp_path / "d.json", version_with(), "x").tag == ""
    with pytest.raises(DataError, match="no such tag") as error:
        write_pointer(tmp_path / "d.json", version_with("a", "b"), "x", tag="t")
    assert error.value.expected == "one of: a, b"


@pytest.mark.parametrize("content", ['{"uri": 1}', "", "[]", "\xff"])
def test_what_is_no_pointer(tmp_path: Path, content: str) -> None:
    with pytest.raises(StorageError, match="no DatasetPointer here"):
        read_pointer(tmp_path / "p.json")
    (tmp_path / "p.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(StorageError, match="not a readable DatasetPointer"):
        read_pointer(tmp_path / "p.json")
