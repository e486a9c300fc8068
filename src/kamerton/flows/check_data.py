"""The check of a data set by hand: files or versions, with or without a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kamerton.data import SplitResult, report
from kamerton.data.batches import InProcess, Runner
from kamerton.data.statistics import TokenLimit
from kamerton.flows.data_context import check_context
from kamerton.flows.pipeline import Pipeline
from kamerton.flows.sources import OnStep, nobody
from kamerton.ground.files import write_text
from kamerton.ground.settings import Workspace
from kamerton.recipe import CheckSection, DataSection, Recipe, Source
from kamerton.records.data import DataReport

__all__ = ["check_data", "write_page"]


def check_data(
    sources: Sequence[str | Source],
    workspace: Workspace | None = None,
    *,
    recipe: Recipe | None = None,
    tokens: TokenLimit | None = None,
    against: Sequence[str] = (),
    run: Runner | None = None,
    on_step: OnStep = nobody,
) -> DataReport:
    """The whole report about files or versions; nothing is written but, at the first pseudonym, the key of it.

    Args:
        sources: a name alone is read as the recipe's `data.shape`, `data.columns` and `data.max_rows` say.
        recipe: its options of `data` and its thresholds are used, and the rows are parted as it says. None reads,
            cleans and looks with the defaults, parts nothing, and asks for readable rows alone.
        tokens: counts the rows' tokens (`token_limit`); None tells lengths in characters alone.
        against: sets (files, versions, lm-eval task files) whose items must not stand in the training rows.
        run: runs the steps that look at each row alone; in this process by default.
        on_step: called with what is done next.

    Raises:
        DataError: a source or a set cannot be read.
    """
    place = workspace or Workspace.at()
    options = DataSection.model_validate((recipe.data.model_dump() if recipe else {}) | {"train": list(sources)})
    made = Pipeline(
        options,
        place,
        parted=recipe is not None,
        against=against,
        count_tokens=tokens.count if tokens else None,
        run=run or InProcess(),
        on_step=on_step,
    ).process()
    on_step("report")
    limits = options.check if recipe else CheckSection(min_train_rows=1, min_test_rows=0)
    context = check_context(recipe, tokens, privacy=made.privacy, leaks=made.leaks, augmentation=made.augmentation)
    return report(made.read, made.cleaned, made.clusters, SplitResult(**made.parts), limits, context)


def write_page(found: DataReport, path: Path, language: str = "en") -> None:
    """The report as one HTML file that needs nothing else.

    Raises:
        RequestError: there is no such language.
        StorageError: the file cannot be written.
    """
    from kamerton.registry.report import render_data_html

    write_text(path, render_data_html(found, language))
