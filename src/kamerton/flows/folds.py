"""Cross-validate: a recipe trained once for each fold, and measured on what each run did not learn from."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from kamerton.data import near_duplicate_clusters
from kamerton.evaluation import evaluate as measure
from kamerton.evaluation.metrics import METRICS, Metric
from kamerton.flows.evaluate import CANDIDATE
from kamerton.flows.models import find_model, open_model
from kamerton.flows.prepare import prepare, prepare_again
from kamerton.flows.results import Results
from kamerton.flows.train import LINEAGE, Progress, load_recipe, resume, train
from kamerton.ground.errors import Interrupted
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, list_runs
from kamerton.models.locate import locate
from kamerton.recipe import Recipe, ResolvedRecipe
from kamerton.records import DataLineage, RunRecord
from kamerton.records.evaluation import EvaluationRecord
from kamerton.records.folds import CrossValidationRecord, FoldMetric, FoldRun
from kamerton.stats.folds import fold_interval

__all__ = ["cross_validate"]

VALIDATION = "validation"
"""Name of the set that a fold is, in the run's folder."""


def cross_validate(
    recipe: Path | str,
    workspace: Workspace | None = None,
    *,
    folds: int = 5,
    overrides: Sequence[str] = (),
    on_progress: Progress | None = None,
) -> CrossValidationRecord:
    """Train a recipe `folds` times, each time without another fold of the rows, and measure each run on its fold.

    The test part is the same in all runs and is not touched: after the choice that the cross-validation was made for,
    it measures what was chosen. The runs are named `NAME-fold0` and on. One that is complete, with the same recipe,
    files and base, is not trained again, and one that was stopped goes on; so the same call goes on after an
    interruption. The record is kept among the workspace's evaluations.

    Args:
        folds: 2 to 20.
        on_progress: told what `train` tells, with the `fold` that it is about.

    Raises:
        RecipeError: the recipe is wrong, or names validation files of its own.
        DataError: a fold has no rows.
        Interrupted: stopped; the same call goes on.
    """
    place = (workspace or Workspace.at()).ensure()
    asked = [_fold_recipe(recipe, folds, fold, overrides) for fold in range(max(folds, 1))]
    # The files are the same for all folds, and looked at only where a run could be used again.
    sources = functools.cache(lambda: prepare(asked[0].recipe, place, commit=False).lineage.sources)
    runs: list[RunRecord] = []
    measured: list[EvaluationRecord] = []
    for fold, resolved in enumerate(asked):
        tell = _telling(on_progress, fold)
        try:
            runs.append(_trained(resolved, sources, place, tell))
            measured.append(_measured(runs[-1], place, tell))
        except Interrupted as error:
            raise Interrupted(
                f"fold {fold + 1} of {folds}: {error.what}",
                where=error.where,
                mend=f"kamerton train {recipe} --folds {folds}, as before, goes on from here",
            ) from error
    record = _summary(asked[0], runs, measured)
    record.write(place.evaluations / f"{record.name}-folds{folds}.json")
    return record


def _fold_recipe(recipe: Path | str, folds: int, fold: int, overrides: Sequence[str]) -> ResolvedRecipe:
    return load_recipe(recipe, [*overrides, f"data.split.folds={folds}", f"data.split.fold={fold}"])


def _telling(on_progress: Progress | None, fold: int) -> Progress:
    return lambda event: on_progress({**event, "fold": fold}) if on_progress else None


def _trained(
    asked: ResolvedRecipe, sources: Callable[[], dict[str, str]], place: Workspace, tell: Progress
) -> RunRecord:
    """The fold's run: the one that is there, a stopped one that goes on, or a new one."""
    name = f"{asked.recipe.name}-fold{asked.recipe.data.split.fold}"
    for run in reversed(list_runs(place)):
        if run.run_id.startswith(f"{name}-") and _is_of(run, asked, sources):
            complete = run.record_file.exists()
            if complete and not _same_base(RunRecord.read(run.record_file), asked.recipe, place):
                continue
            tell({"notice": f"{name}: {'trained already,' if complete else 'goes on with'} {run.run_id}"})
            return resume(run.run_id, place, on_progress=tell)
    tell({"notice": f"{name}: training"})
    return train(asked, place, run_name=name, on_progress=tell)


def _is_of(run: RunFolder, asked: ResolvedRecipe, sources: Callable[[], dict[str, str]]) -> bool:
    """Whether a run was made, or begun, from this recipe and these files."""
    lineage = run.path / LINEAGE
    if not lineage.exists() or run.recipe() != asked.recipe.model_dump(mode="json"):
        return False
    return DataLineage.read(lineage).sources == sources()


def _same_base(record: RunRecord, recipe: Recipe, place: Workspace) -> bool:
    return recipe.model.base is None or record.base.weights == locate(recipe.model.base, place.root).weights


def _measured(record: RunRecord, place: Workspace, tell: Progress) -> EvaluationRecord:
    """The run on its fold; what was measured before is read."""
    ref = find_model(record.run_id, place)
    run, _ = ref.needs_run()
    file = Results(run).evaluation_file(VALIDATION, CANDIDATE)
    if file.exists():
        return EvaluationRecord.read(file)
    recipe = Recipe.model_validate(record.recipe)
    rows = prepare_again(record.data, place)["validation"]
    tell({"notice": f"{record.run_id}: measured on its fold of {len(rows)} rows"})
    found = measure(
        open_model(ref, place, name=CANDIDATE, batch_size=recipe.evaluation.batch_size),
        rows,
        recipe.evaluation,
        set_name=VALIDATION,
        clusters=near_duplicate_clusters(rows, recipe.data.split.similarity),
    )
    found.write(file)
    return found


def _summary(
    asked: ResolvedRecipe, runs: Sequence[RunRecord], measured: Sequence[EvaluationRecord]
) -> CrossValidationRecord:
    parts = [run.data.parts for run in runs]
    ratio = fmean(part["validation"].rows / part["train"].rows for part in parts)
    confidence = asked.recipe.evaluation.confidence
    names = list(dict.fromkeys(name for record in measured for name in record.metrics))
    found = {name: [each.metrics[name].value if name in each.metrics else None for each in measured] for name in names}
    return CrossValidationRecord(
        name=asked.recipe.name,
        recipe_digest=asked.digest,
        folds=len(runs),
        confidence=confidence,
        runs=[
            FoldRun(
                fold=fold, run_id=run.run_id, train_rows=part["train"].rows, validation_rows=part["validation"].rows
            )
            for fold, (run, part) in enumerate(zip(runs, parts, strict=True))
        ],
        metrics={name: _metric(METRICS[name], values, ratio, confidence) for name, values in found.items()},
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _metric(metric: Metric, values: list[float | None], ratio: float, confidence: float) -> FoldMetric:
    """Mean and interval on the scale of the metric's tests, shown as the metric is read."""
    present = [value for value in values if value is not None]
    scaled = [math.log(value) for value in present] if metric.relative else present
    interval = fold_interval(scaled, ratio, confidence)
    low, high = metric.bounds or (-math.inf, math.inf)
    return FoldMetric(
        better=metric.better,
        values=values,
        mean=metric.shown(fmean(scaled)) if scaled else None,
        low=metric.shown(max(interval.low, low)) if interval else None,
        high=metric.shown(min(interval.high, high)) if interval else None,
        method=interval.method if interval else "",
    )
