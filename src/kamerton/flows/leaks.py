"""Leaks: what of an evaluation set stands in the training rows."""

from __future__ import annotations

from collections.abc import Sequence

from kamerton.data import Row
from kamerton.data.leaks import contamination_of_sets, is_task, leak_report, read_task
from kamerton.flows.sources import whole_rows
from kamerton.ground.settings import Workspace
from kamerton.recipe import LeakSection
from kamerton.records.leaks import LeakReport

__all__ = ["contaminated", "find_leaks", "leak_items"]


def leak_items(source: str, workspace: Workspace) -> list[Row]:
    """The items of a set: files, a data-set version, or a task file of lm-eval (.yaml).

    Raises:
        DataError: no such set, one of its rows cannot be read, or a task's data are not in local files.
    """
    if is_task(source):
        return read_task(workspace.root / source, workspace.root)
    return whole_rows([source], workspace)


def find_leaks(
    train: Sequence[str],
    against: Sequence[str],
    workspace: Workspace | None = None,
    *,
    options: LeakSection | None = None,
    seed: int = 42,
) -> LeakReport:
    """Look for the items of sets in training rows, and measure on planted leaks how well that finds them.

    Args:
        train: sources of the training rows.
        against: sets as in `leak_items`, each judged by itself; those of `options.against` come first.

    Raises:
        DataError: a source cannot be read.
    """
    place, chosen = workspace or Workspace.at(), options or LeakSection()
    sets = {name: leak_items(name, place) for name in dict.fromkeys([*chosen.against, *against])}
    rows = whole_rows(train, place)
    return leak_report(rows, contamination_of_sets(rows, sets, chosen, seed=seed), chosen, seed=seed)


def contaminated(train: Sequence[Row], items: Sequence[Row], options: LeakSection) -> list[bool]:
    """Whether each item stands in the training rows."""
    bare = options.model_copy(update={"canaries": 0})
    return contamination_of_sets(train, {"items": items}, bare)["items"].contaminated
