"""Clean: what is wrong with the rows of some sources, and the mended rows as a new file or version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kamerton.data import CleanResult, Row, clean
from kamerton.data.batches import Runner
from kamerton.flows.destination import Destination, Written
from kamerton.flows.sources import OnStep, nobody, read_rows, reading, shaped
from kamerton.ground.settings import Workspace
from kamerton.recipe import CleanSection, Source, clean_options
from kamerton.recipe.source import ShapeName
from kamerton.records.data import Finding

__all__ = ["CleanedData", "CleaningRequest", "clean_data"]


@dataclass(frozen=True)
class CleaningRequest:
    """What is cleaned, how, and where the result goes."""

    sources: Sequence[str | Source]
    shape: ShapeName = "auto"
    """Of the sources that are given by name alone."""
    settings: Sequence[str] = ()
    """`key=value` of `data.clean`."""
    out: Path | None = None
    """A new JSONL file for the rows that are left. With a result wanted, each step that can mend does so, unless a
    setting says otherwise."""
    to: str = ""
    """A data set that gets them as a new version."""
    model: str = ""
    """Whose tokens `max_tokens` counts."""


@dataclass(frozen=True)
class CleanedData:
    """What was found, and what became of it."""

    options: CleanSection
    result: CleanResult
    unread: list[Finding]
    """Rows that could not be read, which no step saw and no result holds."""
    rows_read: int
    written: Written


def clean_data(
    request: CleaningRequest,
    workspace: Workspace | None = None,
    *,
    run: Runner | None = None,
    on_step: OnStep = nobody,
) -> CleanedData:
    """Look at all rows, and write those that are left where a result is wanted; a source is never written over.

    Raises:
        RecipeError: a setting is wrong.
        RequestError: the file is there already.
        DataError: a source is not there, or no row is left to write.
    """
    place = workspace or Workspace.at()
    destination = Destination(request.out, request.to)
    destination.check(place)
    options = clean_options(request.settings)
    if destination.wanted:
        options = options.fixing()
    sources = shaped(request.sources, request.shape)
    names = [source.source for source in sources]
    on_step("read")
    read = read_rows(sources, place, on_progress=reading(on_step))
    count = _counter(request.model, place) if options.max_tokens is not None and request.model else None
    on_step("clean")
    result = clean(read.rows, options, count_tokens=count, run=run)
    message = f"cleaned {' '.join(names)}: {result.report.rows_changed} rows changed"
    written = destination.write(result.rows, place, sources=names, message=message)
    return CleanedData(options, result, read.findings, read.rows_read, written)


def _counter(model: str, workspace: Workspace) -> Callable[[Sequence[Row]], list[int]]:
    """Counts the tokens of rows as the model's own template writes them; of judged answers the longest counts."""
    from kamerton.models.locate import locate
    from kamerton.models.tokenizer import chat_format, load_tokenizer

    chat = chat_format(load_tokenizer(locate(model, workspace.root).folder), "tokenizer")

    def tokens(row: Row) -> int:
        if row.text is not None:
            return len(chat.text(row.text).ids)
        answers = [[answer] for answer in row.ranked] or [[]]
        return max(len(chat.conversation([*(row.messages or ()), *answer], tools=row.tools).ids) for answer in answers)

    return lambda rows: [tokens(row) for row in rows]
