"""Compare: the tuned model against baselines on the same items, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence

from kamerton.evaluation import compare as statistics
from kamerton.flows.evaluate import (
    CANDIDATE,
    Progress,
    evaluate,
    evaluate_on,
    file_set,
    is_own_set,
    measured_models,
    own_set,
    refuse_seen,
)
from kamerton.flows.models import find_model
from kamerton.flows.results import Results
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import EvaluationSection, GateSection, Recipe
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.decision import Decision
from kamerton.records.evaluation import EvaluationRecord

__all__ = ["compare", "compare_on", "judge"]


def compare(
    model: str, workspace: Workspace | None = None, *, on: str = "test", on_progress: Progress | None = None
) -> list[ComparisonRecord]:
    """Compare a trained model with its recipe's baselines; what was not measured yet is measured first.

    The comparisons, one a set, are kept in the run folder.
    """
    place = workspace or Workspace.at()
    ref = find_model(model, place)
    run, record = ref.needs_run()
    recipe = Recipe.model_validate(record.recipe)
    results = Results(run)
    names = [on] if on != "test" else ["test", *recipe.evaluation.sets]
    wanted = [(name, measured) for name in names for measured in measured_models(recipe, name)]
    if not all(results.evaluation_file(name, measured).exists() for name, measured in wanted):
        evaluate(model, place, on=on, on_progress=on_progress)
    gate = recipe.gate or GateSection()
    comparisons = []
    for name in names:
        measured = [record for record in results.evaluations if record.set_name == name]
        comparison = _compare_records(measured, recipe.evaluation, gate)
        comparison.write(results.comparison_file(name))
        comparisons.append(comparison)
    return comparisons


def compare_on(
    models: Sequence[str],
    sources: Sequence[str],
    workspace: Workspace | None = None,
    *,
    options: EvaluationSection | None = None,
    template: str = "tokenizer",
    on_progress: Progress | None = None,
) -> ComparisonRecord:
    """Compare any models, the first being the candidate, on any files or data-set versions.

    The one source `test`, or the name of a set of the candidate's recipe, stands for the candidate's own.

    Raises:
        DataError: a row cannot be read, or a model learned from items of the candidate's own set.
    """
    if len(models) < 2:
        raise RequestError("a comparison needs two models", expected="kamerton compare A B --on SET")
    place = workspace or Workspace.at()
    if is_own_set(models[0], sources, place):
        items = own_set(models[0], sources[0], place)
        for model in models[1:]:
            refuse_seen(model, items, place)
    else:
        items = file_set(sources, place)
    own = find_model(models[0], place).recipe
    chosen = options or (own.evaluation if own else EvaluationSection())
    records = [
        evaluate_on(model, sources, place, options=chosen, template=template, items=items, on_progress=on_progress)
        for model in models
    ]
    return statistics(records[0], records[1:], chosen)


def judge(model: str, workspace: Workspace | None = None) -> Decision:
    """Apply the recipe's gate to the comparisons of a trained model; the decision is kept in the run folder.

    Raises:
        RequestError: the recipe has no gate, or nothing was compared yet.
    """
    from kamerton.registry import decide

    place = workspace or Workspace.at()
    run, record = find_model(model, place).needs_run()
    policy = Recipe.model_validate(record.recipe).gate
    if policy is None:
        raise RequestError(
            "the recipe has no gate", where=run.run_id, expected="a gate: section", mend="add gate: and train again"
        )
    results = Results(run)
    if not results.comparisons:
        raise RequestError("nothing was compared yet", where=run.run_id, mend=f"kamerton compare {run.run_id}")
    decision = decide(results.comparisons, policy, record.result.model_sha256)
    decision.write(results.decision_file)
    return decision


def _compare_records(
    measured: Sequence[EvaluationRecord], options: EvaluationSection, gate: GateSection
) -> ComparisonRecord:
    candidate = [record for record in measured if record.model == CANDIDATE]
    baselines = [record for record in measured if record.model != CANDIDATE]
    if not baselines:
        raise RequestError(
            "there is nothing to compare with",
            where="evaluation.baselines",
            expected="base or few_shot among the baselines",
        )
    return statistics(candidate[0], baselines, options, gate.alpha, gate.power)
