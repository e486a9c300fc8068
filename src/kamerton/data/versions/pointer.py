"""The pointer file: what Git keeps of a data-set version."""

from __future__ import annotations

from pathlib import Path

from kamerton.data.columns import SCHEMA
from kamerton.ground.errors import DataError
from kamerton.records.data import DatasetPointer, DatasetVersion

__all__ = ["read_pointer", "write_pointer"]


def write_pointer(path: Path, version: DatasetVersion, uri: str, *, tag: str = "") -> DatasetPointer:
    """Write the pointer of a version; `uri` is where its store is, best relative to the repository.

    `tag` is one of the version's tags; without it the first is taken, if there is any.

    Raises:
        DataError: the version has no such tag.
        StorageError: the disk is full or may not be written.
    """
    if tag and tag not in version.tags:
        raise DataError(
            f"the version has no such tag as {tag!r}",
            where=f"{version.name}@v{version.version}",
            expected=f"one of: {', '.join(version.tags) or 'none yet'}",
            mend=f"kamerton data tag {version.name}@v{version.version} {tag}",
        )
    pointer = DatasetPointer(
        name=version.name,
        uri=uri,
        tag=tag or next(iter(version.tags), ""),
        version=version.version,
        fingerprint=version.fingerprint,
        rows=version.rows,
        schema=SCHEMA,
    )
    pointer.write(path)
    return pointer


def read_pointer(path: Path) -> DatasetPointer:
    """Read a pointer.

    Raises:
        StorageError: no such file, or not a pointer.
    """
    return DatasetPointer.read(path)
