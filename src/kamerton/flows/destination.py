"""Where the rows of a result go: a new file or a new version; a source is never written over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kamerton.data import DatasetStore, Row, parse_ref
from kamerton.data.export import write_jsonl
from kamerton.flows.versions import point
from kamerton.ground.errors import DataError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.records.data import DatasetVersion

__all__ = ["Destination", "Written", "refuse_taken"]


@dataclass(frozen=True)
class Written:
    """What a result became."""

    out: Path | None = None
    version: DatasetVersion | None = None
    pointer: Path | None = None


@dataclass(frozen=True)
class Destination:
    """A new JSONL file, a data set that gets a new version, or neither: then no result is wanted."""

    out: Path | None = None
    to: str = ""

    @property
    def wanted(self) -> bool:
        return self.out is not None or bool(self.to)

    def check(self, workspace: Workspace) -> None:
        """Refuse, before the work is done, what could not take the result.

        Raises:
            RequestError: the file is there already, or is not to be JSON lines.
            DataError: no data set can have the name.
        """
        if self.out is not None:
            refuse_taken(workspace.root / self.out)
            if self.out.suffix.lower() not in {".jsonl", ".ndjson"}:
                raise RequestError(
                    "the result is JSON lines", where=str(self.out), expected="a name that ends in .jsonl"
                )
        if self.to:
            name, tag = parse_ref(self.to)
            if tag:
                raise RequestError("a new version has no tag yet", where=self.to, expected=f"the name alone: {name}")

    def write(self, rows: Sequence[Row], workspace: Workspace, *, sources: Sequence[str], message: str) -> Written:
        """Write the rows; nothing happens where no result is wanted.

        Raises:
            DataError: there are no rows.
            StorageError: the disk is full or may not be written.
        """
        if not self.wanted:
            return Written()
        if not rows:
            names = " ".join(sources)
            raise DataError("no row is left to write", where=names, mend=f"kamerton data check {names}")
        if self.out is not None:
            write_jsonl(rows, workspace.root / self.out)
        if not self.to:
            return Written(self.out)
        version = DatasetStore(workspace.ensure()).commit(self.to, rows, message=message)
        return Written(self.out, version, point(version, workspace))


def refuse_taken(path: Path) -> None:
    """A result is a new file: neither a source nor anything else is written over.

    Raises:
        RequestError: something is there already, be it a link that leads nowhere.
    """
    if path.exists() or path.is_symlink():
        raise RequestError("the file is there already", where=str(path), expected="a new file", mend="another --out")
