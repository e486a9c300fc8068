"""Forgetting: a model that was trained in several runs, measured on what each earlier one was tested on."""

from __future__ import annotations

from kamerton.flows.compare import compare_on
from kamerton.flows.evaluate import Progress
from kamerton.flows.models import ModelRef, find_model
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import AdapterMethod, Recipe
from kamerton.records.comparison import ComparisonRecord

__all__ = ["earlier_runs", "forgetting"]


def forgetting(
    model: str, workspace: Workspace | None = None, *, on_progress: Progress | None = None
) -> list[ComparisonRecord]:
    """Compare a model with each run that it goes back to, on that run's own test part; the newest run first.

    Raises:
        RequestError: it began with a base, so that there is nothing of ours to forget.
    """
    place = workspace or Workspace.at()
    runs = earlier_runs(model, place)
    if not runs:
        raise RequestError(
            "the model goes back to no earlier run",
            where=model,
            expected="a recipe whose model.base names a run or NAME@ALIAS",
            mend="kamerton compare A B --on SET measures any two models",
        )
    records = []
    for ref in runs:
        run, record = ref.needs_run()
        if "test" in record.data.versions:
            told = [record.data.versions["test"]]
            records.append(compare_on([model, run.run_id], told, place, on_progress=on_progress))
    return records


def earlier_runs(model: str, workspace: Workspace) -> list[ModelRef]:
    """The runs that a model goes back to, the newest first."""
    found: list[ModelRef] = []
    ref: ModelRef | None = find_model(model, workspace)
    while ref is not None and ref.recipe is not None:
        ref = _before(ref.recipe, workspace)
        if ref is not None:
            found.append(ref)
    return found


def _before(recipe: Recipe, workspace: Workspace) -> ModelRef | None:
    """The run whose model a recipe begins with."""
    places = [recipe.model.base] if recipe.model.base else []
    if isinstance(recipe.method, AdapterMethod):
        places = [*recipe.method.start_from[-1:], *places]
    for place in places:
        folder = workspace.root / place
        if folder.is_dir():
            ref = find_model(str(folder), workspace)
            if ref.run is not None:
                return ref
    return None
