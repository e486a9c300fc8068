"""Split files by hand: train, validation and test, or the folds of a cross-validation, each as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kamerton.data import Row, SplitResult, clean, near_duplicate_clusters, split
from kamerton.data.export import write_jsonl
from kamerton.data.split import parted_clusters
from kamerton.flows.destination import refuse_taken
from kamerton.flows.sources import whole_rows
from kamerton.ground.settings import Workspace
from kamerton.recipe import CleanSection, Source, SplitSection
from kamerton.records.data import Finding

__all__ = ["split_data"]


def split_data(
    sources: Sequence[str | Source],
    folder: Path,
    workspace: Workspace | None = None,
    *,
    options: SplitSection | None = None,
) -> tuple[dict[str, list[Row]], list[Finding]]:
    """Part rows and write train.jsonl, validation.jsonl and test.jsonl.

    With folds, test.jsonl is written once, and for each fold fold0/train.jsonl and fold0/validation.jsonl and on.

    Returns:
        The rows by file without its suffix; and a finding for each row that was set aside, such as one that stands
        twice, and for each cluster of alike rows that `by: group` or `by: rows` put on several sides.

    Raises:
        DataError: a row cannot be read, or the rows cannot be parted so.
        RequestError: one of the files is there already; nothing is written.
        StorageError: the disk is full or may not be written; no file of the split is left.
    """
    chosen = options or SplitSection()
    cleaned = clean(whole_rows(sources, workspace or Workspace.at()), CleanSection())
    clusters = near_duplicate_clusters(cleaned.rows, chosen.similarity)
    files: dict[str, list[Row]] = {}
    findings: dict[tuple[str, int], Finding] = {}
    for fold in range(chosen.folds or 1):
        parted = split(cleaned.rows, clusters, chosen.model_copy(update={"fold": fold}))
        files |= _files(parted, f"fold{fold}/" if chosen.folds else "")
        if chosen.by in {"group", "rows"}:
            findings |= {(each.file, each.line): each for each in parted_clusters(cleaned.rows, clusters, parted)}
    for name in files:
        refuse_taken(folder / f"{name}.jsonl")
    written: list[Path] = []
    try:
        for name, rows in files.items():
            write_jsonl(rows, folder / f"{name}.jsonl")
            written.append(folder / f"{name}.jsonl")
    except BaseException:
        for path in written:
            path.unlink()
        raise
    return files, [*cleaned.findings, *findings.values()]


def _files(parted: SplitResult, below: str) -> dict[str, list[Row]]:
    return {f"{below}train": parted.train, f"{below}validation": parted.validation, "test": parted.test}
