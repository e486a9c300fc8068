"""The data room by hand: read, commit, compare and export versions, and check files for a hosted service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kamerton.data import DatasetStore, Diff, ReadResult, clean
from kamerton.data.export import (
    MODEL_CONTEXT,
    ExportReport,
    FormatName,
    HostedReport,
    Target,
    export_rows,
    validate_file,
)
from kamerton.flows.sources import read_rows, shaped, whole_rows
from kamerton.flows.versions import point
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import CleanSection, Source
from kamerton.recipe.source import ShapeName
from kamerton.records.data import DatasetVersion, Finding

__all__ = ["commit_data", "diff_data", "export_data", "read_data", "tag_data", "validate_data"]


def read_data(
    sources: Sequence[str | Source], workspace: Workspace | None = None, *, shape: ShapeName = "auto"
) -> ReadResult:
    """Rows, findings and sources; `shape` is that of the sources that are given by name alone."""
    return read_rows(shaped(sources, shape), workspace or Workspace.at())


def commit_data(
    name: str,
    sources: Sequence[str | Source],
    workspace: Workspace | None = None,
    *,
    shape: ShapeName = "auto",
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
    cleaned = clean(whole_rows(shaped(sources, shape), place), CleanSection())
    version = DatasetStore(place).commit(name, cleaned.rows, message=message, tag=tag)
    return version, point(version, place, tag=tag or ""), cleaned.findings


def tag_data(ref: str, tag: str, workspace: Workspace | None = None) -> DatasetVersion:
    """Give a version a name that never moves."""
    return DatasetStore(workspace or Workspace.at()).tag(ref, tag)


def diff_data(first: str, second: str, workspace: Workspace | None = None) -> Diff:
    """The rows that only one of two versions has."""
    return DatasetStore(workspace or Workspace.at()).diff(first, second)


def export_data(ref: str, form: FormatName, out: Path, workspace: Workspace | None = None) -> ExportReport:
    """Write the rows of a version for another tool.

    Raises:
        DataError: no such version, or the format can carry none of its rows.
    """
    store = DatasetStore(workspace or Workspace.at())
    return export_rows(store.stream(ref), store.kinds(ref), form, out, title=store.show(ref).name)


def validate_data(path: Path, target: Target | None = None, model_context: int | None = None) -> HostedReport:
    """Check a file against the rules for which a hosted service refuses it.

    Args:
        target: None takes the format that the first line is of.
        model_context: tokens above which an example is cut off; None takes OpenAI's limit.

    Raises:
        DataError: no such file.
        RequestError: a limit below 1.
    """
    limit = MODEL_CONTEXT if model_context is None else model_context
    if limit < 1:
        raise RequestError("no model takes so few tokens", where=f"--model-context {limit}", expected="1 or more")
    return validate_file(path, target, limit)
