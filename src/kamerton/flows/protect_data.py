"""Protect: personal data and secrets in the rows of some sources, and the rows without them as a file or version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kamerton.data.batches import Runner
from kamerton.data.privacy import PrivacyResult, privacy_key, protect
from kamerton.flows.destination import Destination, Written
from kamerton.flows.sources import OnStep, nobody, read_rows, reading, shaped
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import PrivacySection, Source
from kamerton.recipe.source import ShapeName
from kamerton.records.data import Finding

__all__ = ["ProtectedData", "ProtectionRequest", "protect_data"]


@dataclass(frozen=True)
class ProtectionRequest:
    """Where is looked, for what, and where the result goes."""

    sources: Sequence[str | Source]
    shape: ShapeName = "auto"
    """Of the sources that are given by name alone."""
    options: PrivacySection = field(default_factory=PrivacySection)
    """With a result, `action` says what is done; without one it is `report`."""
    out: Path | None = None
    """A new JSONL file for the protected rows."""
    to: str = ""
    """A data set that gets them as a new version."""


@dataclass(frozen=True)
class ProtectedData:
    """What was found, told without telling it, and what became of it."""

    result: PrivacyResult
    unread: list[Finding]
    """Rows that could not be read, into which nobody looked and which no result holds."""
    rows_read: int
    written: Written


def protect_data(
    request: ProtectionRequest,
    workspace: Workspace | None = None,
    *,
    run: Runner | None = None,
    on_step: OnStep = nobody,
) -> ProtectedData:
    """Look into all rows, and write the protected ones where a result is wanted; a source is never written over.

    Pseudonyms are made by the workspace's key (`privacy_key`), which is made when the first ones are.

    Raises:
        RequestError: an action without a result, a result without an action, or the file is there already.
        DataError: a source is not there, no row is left to write, or names are asked for and there is no model of them.
        StorageError: the key cannot be read or made.
    """
    place = workspace or Workspace.at()
    destination = Destination(request.out, request.to)
    options = request.options
    if destination.wanted != (options.action in {"mask", "pseudonymise", "drop"}):
        what = "to report changes no row" if destination.wanted else f"to {options.action} needs a place for the result"
        raise RequestError(
            what,
            where=f"--action {options.action}",
            expected="mask, pseudonymise or drop, with --out FILE or --to NAME",
        )
    destination.check(place)
    sources = shaped(request.sources, request.shape)
    names = [source.source for source in sources]
    on_step("read")
    read = read_rows(sources, place, on_progress=reading(on_step))
    on_step("look for personal data and secrets")
    key = privacy_key(place) if options.action == "pseudonymise" else None
    result = protect(read.rows, options, key, run)
    found = result.report
    message = f"{options.action} {' '.join(names)}: personal data in {found.rows_concerned} rows"
    written = destination.write(result.rows, place, sources=names, message=message)
    return ProtectedData(result, read.findings, read.rows_read, written)
