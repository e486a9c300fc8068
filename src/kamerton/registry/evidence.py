"""Evidence: the records that speak for one model version, in one folder, sealed by a manifest of their digests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kamerton.ground.digests import canonical_json, digest, file_digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.files import write_bytes, write_text

__all__ = ["Evidence", "verify"]

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Evidence:
    """A folder of JSON records: record, data_report, evaluation-*, comparison*, decision, rebuild."""

    folder: Path

    def add(self, records: Iterable[Path]) -> None:
        """Copy record files in under their own names, then the manifest; a file of that name is replaced.

        Raises:
            RequestError: not a JSON file, or two of one name.
            StorageError: a file is not there.
        """
        paths = list(records)
        names = [path.name for path in paths]
        for path in paths:
            if path.suffix != ".json" or path.name == _MANIFEST or names.count(path.name) > 1:
                raise RequestError("this is no evidence", where=str(path), expected="JSON records of different names")
            if not path.is_file():
                raise StorageError("no such record", where=str(path))
        manifest = self.manifest()
        for path in paths:
            payload = path.read_bytes()
            write_bytes(self.folder / path.name, payload)
            manifest[path.name] = digest(payload)
        write_text(self.folder / _MANIFEST, canonical_json(manifest) + "\n")

    def manifest(self) -> dict[str, str]:
        """SHA-256 of each record file by its name; empty where there is no evidence yet.

        Raises:
            StorageError: the manifest is damaged.
        """
        path = self.folder / _MANIFEST
        if not path.exists():
            return {}
        document = _json(path)
        if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
            raise StorageError("the manifest of the evidence is damaged", where=str(path))
        return document

    @property
    def digest(self) -> str:
        """One digest for all the evidence."""
        return digest(self.manifest())

    def path(self, name: str) -> Path:
        """The file of a record; it need not be there."""
        return self.folder / name

    def digests(self) -> dict[str, str]:
        """The digest that each record has of itself (of its content, whatever the spacing), by file name."""
        return {name: digest(_json(self.folder / name)) for name in self.manifest()}


def verify(evidence: Evidence) -> list[str]:
    """What is wrong with the files of the evidence, a sentence each; empty when all is as it was sealed."""
    try:
        manifest = evidence.manifest()
    except StorageError as error:
        return [error.what]
    if not manifest:
        return ["there is no evidence"]
    problems = []
    for name, sealed in sorted(manifest.items()):
        path = evidence.folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif file_digest(path) != sealed:
            problems.append(f"{name} was changed after it was sealed")
    here = {path.name for path in evidence.folder.glob("*.json")} - {_MANIFEST}
    problems += [f"{name} is not in the manifest" for name in sorted(here - set(manifest))]
    return problems


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError("a record of the evidence is missing", where=str(path)) from error
    except ValueError as error:
        raise StorageError("a record of the evidence is damaged", where=str(path)) from error
