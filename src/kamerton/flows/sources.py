"""Sources of rows: files, URLs and hub ids through the reader, data-set versions through the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kamerton.data import DatasetStore, ReadResult, Row, read_sources
from kamerton.ground.errors import DataError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Source
from kamerton.recipe.source import ShapeName
from kamerton.records.data import SourceReport

__all__ = ["OnStep", "ReadProgress", "nobody", "read_rows", "reading", "shaped", "whole_rows"]

OnStep = Callable[[str], None]
"""Called with what is done next."""
ReadProgress = Callable[[str, int, int | None], None]
"""Called with the file, the bytes read and all its bytes, where they are known."""


def read_rows(
    sources: Sequence[str | Source], workspace: Workspace, *, on_progress: ReadProgress | None = None
) -> ReadResult:
    """Rows of sources, in the order given; where there are several, each row says which it came from."""
    given = [Source(source=source) if isinstance(source, str) else source for source in sources]
    rows: list[Row] = []
    findings, reports = [], []
    for source in given:
        if _is_version(source.source, workspace):
            read = _read_version(source, workspace)
        else:
            read = read_sources([source], root=workspace.root, on_progress=on_progress)
        rows += [replace(row, source=source.source) for row in read.rows] if len(given) > 1 else read.rows
        findings += read.findings
        reports += read.sources
    return ReadResult(rows, findings, reports)


def shaped(sources: Sequence[str | Source], shape: ShapeName) -> list[Source]:
    """Sources, of which those that are given by name alone have this shape."""
    return [Source(source=given, shape=shape) if isinstance(given, str) else given for given in sources]


def nobody(step: str) -> None:
    """Is told what is done next, and does not mind."""


def reading(on_step: OnStep) -> ReadProgress:
    """Tells a reader's progress as steps: `read letters.jsonl, 45 %`. A file of one block needs no telling."""

    def told(file: str, done: int, total: int | None) -> None:
        if total is None:
            on_step(f"read {file}, {done / 2**20:,.0f} MiB")
        elif done < total:
            on_step(f"read {file}, {100 * done // total} %")

    return told


def whole_rows(sources: Sequence[str | Source], workspace: Workspace) -> list[Row]:
    """Rows of sources of which every row must be readable.

    Raises:
        DataError: a source is not there, or a row of it cannot be read: none is left out silently.
    """
    read = read_rows(sources, workspace)
    if broken := [finding for finding in read.findings if finding.severity == "error"]:
        first = broken[0]
        names = " ".join(source if isinstance(source, str) else source.source for source in sources)
        raise DataError(
            f"{len(broken)} rows cannot be read; the first: {first.message}",
            where=f"{first.file}:{first.line}",
            mend=f"kamerton data check {names}",
        )
    return read.rows


def _is_version(source: str, workspace: Workspace) -> bool:
    if (workspace.root / source).exists() or "/" in source:
        return False
    return "@" in source or source in DatasetStore(workspace).names()


def _read_version(source: Source, workspace: Workspace) -> ReadResult:
    store = DatasetStore(workspace)
    version = store.show(source.source)
    rows = store.rows(source.source)[: source.max_rows]
    if source.task:
        rows = [replace(row, task=row.task or source.task) for row in rows]
    report = SourceReport(
        file=source.source,
        rows_read=len(rows),
        rows_ok=len(rows),
        shape="version",
        shape_reason="a data-set version",
        encoding="utf-8",
        sha256=version.fingerprint,
    )
    return ReadResult(rows, [], [report])
