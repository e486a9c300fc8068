"""Prepare: read, clean, find duplicates, split, and keep what a run learns from as immutable versions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kamerton.data import (
    CleanResult,
    DatasetStore,
    ReadResult,
    Row,
    SplitResult,
    clean,
    near_duplicate_clusters,
    read_sources,
    report,
    split,
)
from kamerton.ground.digests import set_digest
from kamerton.ground.errors import DataError
from kamerton.ground.settings import Workspace
from kamerton.recipe import DataSection, Recipe, SplitSection
from kamerton.records import DataLineage, PartLineage
from kamerton.records.data import DataReport, SourceReport

__all__ = ["Prepared", "prepare", "prepare_again", "read_rows", "whole_rows"]


@dataclass(frozen=True)
class Prepared:
    """What a run learns from, ready."""

    parts: dict[str, list[Row]]
    """train, validation and test, each in the order of the row hashes."""
    test_clusters: list[int]
    """One id a test row; rows of one cluster are not independent."""
    report: DataReport
    lineage: DataLineage


def read_rows(sources: Sequence[str], options: DataSection, workspace: Workspace) -> ReadResult:
    """Rows of files, globs and data-set versions `name@tag`, in the order given."""
    store = DatasetStore(workspace)
    rows: list[Row] = []
    findings, reports = [], []
    for source in sources:
        if _is_version(source, workspace):
            version = store.show(source)
            kept = store.rows(source)[: options.max_rows]
            rows += kept
            reports.append(_version_report(source, version.fingerprint, len(kept)))
        else:
            read = read_sources([source], shape=options.shape, max_rows=options.max_rows, root=workspace.root)
            rows += read.rows
            findings += read.findings
            reports += read.sources
    return ReadResult(rows, findings, reports)


def whole_rows(sources: Sequence[str], workspace: Workspace) -> list[Row]:
    """Rows of sources of which every row must be readable.

    Raises:
        DataError: a source is not there, or a row of it cannot be read: none is left out silently.
    """
    read = read_rows(sources, DataSection(train=list(sources)), workspace)
    if broken := [finding for finding in read.findings if finding.severity == "error"]:
        first = broken[0]
        raise DataError(
            f"{len(broken)} rows cannot be read; the first: {first.message}",
            where=f"{first.file}:{first.line}",
            mend=f"kamerton data check {' '.join(sources)}",
        )
    return read.rows


def prepare(recipe: Recipe, workspace: Workspace, *, commit: bool = True) -> Prepared:
    """Everything between the files that a recipe names and the rows that a run learns from.

    Args:
        commit: keep the cleaned rows as data-set versions named after the recipe; without it the lineage names none.

    Raises:
        DataError: a source cannot be read, or nothing is left of it.
    """
    options = recipe.data
    read = read_rows(options.train, options, workspace)
    cleaned = clean(read.rows, options.clean)
    clusters = near_duplicate_clusters(cleaned.rows, options.split.similarity)
    own = {name: getattr(options, name) for name in ("validation", "test") if getattr(options, name)}
    parted = split(cleaned.rows, clusters, _without(options, own))
    parts = {"train": parted.train, "validation": parted.validation, "test": parted.test}
    sources = list(read.sources)
    versions = {"train": cleaned.rows}
    for name, files in own.items():
        extra = read_rows(files, options, workspace)
        kept = clean(extra.rows, options.clean)
        parts[name] = versions[name] = kept.rows
        cleaned = CleanResult(cleaned.rows, cleaned.findings + kept.findings)
        sources += extra.sources
        read = ReadResult(read.rows + extra.rows, read.findings + extra.findings, sources)
    parts = {name: sorted(rows, key=lambda row: row.row_hash) for name, rows in parts.items()}
    if not parts["train"]:
        files = " ".join(options.train)
        raise DataError("no row is left to train on", where=files, mend=f"kamerton data check {files}")
    findings = report(read, cleaned, clusters, SplitResult(**parts), options.check)
    names = _commit(recipe, versions, workspace) if commit else {}
    lineage = DataLineage(
        versions=names,
        fingerprint=findings.fingerprint,
        sources={source.file: source.sha256 for source in sources},
        parts={name: _part(rows) for name, rows in parts.items()},
    )
    return Prepared(parts, near_duplicate_clusters(parts["test"], options.split.similarity), findings, lineage)


def prepare_again(recipe: Recipe, lineage: DataLineage, workspace: Workspace) -> dict[str, list[Row]]:
    """The parts of a finished run, from the versions that it kept.

    Raises:
        DataError: a version is gone, or its rows are not those that the run learned from; the part is named.
    """
    store = DatasetStore(workspace)
    rows = store.rows(lineage.versions["train"])
    options = recipe.data
    own = {name: store.rows(ref) for name, ref in lineage.versions.items() if name != "train"}
    parted = split(rows, near_duplicate_clusters(rows, options.split.similarity), _without(options, own))
    parts = {"train": parted.train, "validation": parted.validation, "test": parted.test} | own
    parts = {name: sorted(part, key=lambda row: row.row_hash) for name, part in parts.items()}
    for name, recorded in lineage.parts.items():
        if _part(parts[name]) != recorded:
            raise DataError(
                f"the {name} part is not the one that the run learned from",
                where=lineage.versions.get(name, lineage.versions["train"]),
                expected=f"{recorded.rows} rows with fingerprint {recorded.fingerprint[:16]}",
                mend="restore the workspace's datasets folder from where the run was made",
            )
    return parts


def _commit(recipe: Recipe, versions: dict[str, list[Row]], workspace: Workspace) -> dict[str, str]:
    store = DatasetStore(workspace)
    names = {}
    for part, rows in versions.items():
        name = recipe.name if part == "train" else f"{recipe.name}.{part}"
        version = store.commit(name, rows, message=f"learned from by {recipe.name}")
        names[part] = f"{version.name}@v{version.version}"
    return names


def _without(options: DataSection, own: Collection[str]) -> SplitSection:
    """The split options with nothing cut off for parts that have files of their own."""
    return options.split.model_copy(update=dict.fromkeys(own, 0.0))


def _part(rows: list[Row]) -> PartLineage:
    return PartLineage(rows=len(rows), fingerprint=set_digest(row.row_hash for row in rows))


def _is_version(source: str, workspace: Workspace) -> bool:
    if (workspace.root / source).exists() or "/" in source:
        return False
    return "@" in source or source in DatasetStore(workspace).names()


def _version_report(source: str, fingerprint: str, rows: int) -> SourceReport:
    return SourceReport(
        file=source,
        rows_read=rows,
        rows_ok=rows,
        shape="version",
        shape_reason="a data-set version",
        encoding="utf-8",
        sha256=fingerprint,
    )
