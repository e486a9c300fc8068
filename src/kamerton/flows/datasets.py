"""The data room by hand: read, check, split, commit, and look at versions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kamerton.data import (
    CleanResult,
    DatasetStore,
    Diff,
    ReadResult,
    Row,
    SplitResult,
    clean,
    near_duplicate_clusters,
    report,
    split,
    write_pointer,
)
from kamerton.flows.prepare import read_rows, whole_rows
from kamerton.ground.errors import RequestError
from kamerton.ground.files import write_text
from kamerton.ground.settings import Workspace
from kamerton.recipe import CheckSection, DataSection, SplitSection
from kamerton.records.data import DataReport, DatasetVersion, Finding

__all__ = ["check_data", "commit_data", "diff_data", "export_rows", "read_data", "split_data", "tag_data"]


def read_data(sources: Sequence[str], workspace: Workspace | None = None, *, shape: str = "auto") -> ReadResult:
    """Rows, findings and sources."""
    options = DataSection.model_validate({"train": list(sources), "shape": shape})
    return read_rows(sources, options, workspace or Workspace.at())


def check_data(
    sources: Sequence[str],
    workspace: Workspace | None = None,
    *,
    shape: str = "auto",
    thresholds: CheckSection | None = None,
) -> DataReport:
    """The whole report about files or versions, none of them parted.

    Args:
        thresholds: None asks for readable rows alone.
    """
    options = DataSection.model_validate({"train": list(sources), "shape": shape})
    read = read_rows(sources, options, workspace or Workspace.at())
    cleaned = clean(read.rows, options.clean)
    clusters = near_duplicate_clusters(cleaned.rows, options.split.similarity)
    limits = thresholds or CheckSection(min_train_rows=1, min_test_rows=0)
    return report(read, cleaned, clusters, SplitResult(cleaned.rows, [], []), limits)


def split_data(
    sources: Sequence[str],
    folder: Path,
    workspace: Workspace | None = None,
    *,
    options: SplitSection | None = None,
) -> tuple[dict[str, list[Row]], list[Finding]]:
    """Part rows by cluster and write train.jsonl, validation.jsonl and test.jsonl.

    Returns:
        The parts, and a finding for each row that was set aside, such as one that stands twice.

    Raises:
        DataError: a row cannot be read.
        RequestError: one of the files is there already.
    """
    chosen = options or SplitSection()
    cleaned = _whole(sources, workspace or Workspace.at())
    parted = split(cleaned.rows, near_duplicate_clusters(cleaned.rows, chosen.similarity), chosen)
    parts = {"train": parted.train, "validation": parted.validation, "test": parted.test}
    taken = [name for name in parts if (folder / f"{name}.jsonl").exists()]
    if taken:
        raise RequestError("the file is there already", where=str(folder / f"{taken[0]}.jsonl"), mend="--out FOLDER")
    for name, rows in parts.items():
        export_rows(rows, folder / f"{name}.jsonl")
    return parts, cleaned.findings


def commit_data(
    name: str,
    sources: Sequence[str],
    workspace: Workspace | None = None,
    *,
    message: str = "",
    tag: str | None = None,
) -> tuple[DatasetVersion, Path, list[Finding]]:
    """Keep rows as an immutable version, and write the pointer file that belongs in Git.

    Returns:
        The version, the pointer file, and a finding for each row that was set aside, such as one that stands twice.

    Raises:
        DataError: a row cannot be read, or none is left.
    """
    place = (workspace or Workspace.at()).ensure()
    cleaned = _whole(sources, place)
    store = DatasetStore(place)
    version = store.commit(name, cleaned.rows, message=message, tag=tag)
    pointer = place.pointers / f"{name}.json"
    write_pointer(pointer, version, store.uri(name), tag=tag or "")
    return version, pointer, cleaned.findings


def tag_data(ref: str, tag: str, workspace: Workspace | None = None) -> DatasetVersion:
    """Give a version a name that never moves."""
    return DatasetStore(workspace or Workspace.at()).tag(ref, tag)


def diff_data(first: str, second: str, workspace: Workspace | None = None) -> Diff:
    """The rows that only one of two versions has."""
    return DatasetStore(workspace or Workspace.at()).diff(first, second)


def _whole(sources: Sequence[str], workspace: Workspace) -> CleanResult:
    """All rows, cleaned; a row that cannot be read is not left out without a word."""
    options = DataSection(train=list(sources))
    return clean(whole_rows(sources, workspace), options.clean)


def export_rows(rows: Sequence[Row], path: Path) -> None:
    """Rows as JSON lines in the messages (or text) shape."""
    import json

    lines = []
    for row in rows:
        content = {"text": row.text} if row.text is not None else {"messages": [dict(m) for m in row.messages or ()]}
        extra = {key: value for key, value in (("category", row.category), ("group", row.group)) if value}
        lines.append(json.dumps(content | extra, ensure_ascii=False) + "\n")
    write_text(path, "".join(lines))
