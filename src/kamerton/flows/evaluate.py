"""Evaluate: a model and its recipe's baselines on the same items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kamerton.chat import Message
from kamerton.data import Row, near_duplicate_clusters
from kamerton.data.duplicates import normalised
from kamerton.data.labels import labelled
from kamerton.evaluation import FewShotGenerator, choose_examples
from kamerton.evaluation import evaluate as measure
from kamerton.flows.leaks import contaminated
from kamerton.flows.models import ModelRef, find_model, open_measured, open_model
from kamerton.flows.prepare import prepare_again
from kamerton.flows.results import Results
from kamerton.flows.sources import whole_rows
from kamerton.ground.errors import DataError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import ClassificationObjective, EvaluationSection, Recipe
from kamerton.records.evaluation import EvaluationRecord

if TYPE_CHECKING:
    from kamerton.evaluation import Generator, Judge
    from kamerton.models.generate import TransformersGenerator

__all__ = [
    "CANDIDATE",
    "EvaluationSet",
    "Progress",
    "evaluate",
    "evaluate_on",
    "file_set",
    "is_own_set",
    "measured_models",
    "own_set",
    "refuse_seen",
]

CANDIDATE = "tuned"
"""What records call the model that a run made."""

_SHOWABLE = {"sft", "grpo", "classification"}
"""Objectives whose training rows can stand in a prompt as examples."""

Progress = Callable[[str, int, int], None]
"""Called with what is measured (`tuned on test: generate`), items done and all items."""


@dataclass(frozen=True)
class EvaluationSet:
    """Items that a model is measured on."""

    name: str
    rows: list[Row]
    clusters: list[int]
    """One id an item; items of one cluster are not independent."""
    contaminated: list[bool] | None = None
    """Whether each item stands in the training rows of the run; None where nobody looked."""


def evaluate(
    model: str, workspace: Workspace | None = None, *, on: str = "test", on_progress: Progress | None = None
) -> list[EvaluationRecord]:
    """Measure a model that was trained here, and its baselines, with the options of its recipe.

    Args:
        on: `test` measures the run's own test part and every set that the recipe names; else one of those sets.

    The records are kept in the run folder.
    """
    place = workspace or Workspace.at()
    ref = find_model(model, place)
    run, record = ref.needs_run()
    recipe = Recipe.model_validate(record.recipe)
    parts = prepare_again(record.data, place)
    sets = _sets(recipe, parts, on, place)
    results = Results(run)
    records = []
    for generator in _generators(ref, recipe, parts["train"], place):
        for chosen in sets:
            if generator.name not in measured_models(recipe, chosen.name):
                continue
            found = _measure(generator, chosen, recipe.evaluation, on_progress)
            found.write(results.evaluation_file(chosen.name, generator.name))
            records.append(found)
    return records


def measured_models(recipe: Recipe, set_name: str) -> list[str]:
    """Names of what `evaluate` measures on a set: the tuned model and the baselines that the set has a place for."""
    baselines: list[str] = list(recipe.evaluation.baselines) if recipe.model.base is not None else []
    if "few_shot" in baselines and (set_name != "test" or recipe.training.objective.kind not in _SHOWABLE):
        baselines.remove("few_shot")  # plain texts have no place for examples, and judged answers are none
    return [CANDIDATE, *baselines]


def evaluate_on(
    model: str,
    sources: Sequence[str],
    workspace: Workspace | None = None,
    *,
    options: EvaluationSection | None = None,
    template: str = "tokenizer",
    items: EvaluationSet | None = None,
    on_progress: Progress | None = None,
) -> EvaluationRecord:
    """Measure any model on any files or data-set versions.

    Args:
        items: what the sources hold, where that is known already.
        options: None takes the model's own recipe, or the defaults for a base model.
        template: `model.chat_template` for a base model whose tokenizer has none.
    """
    place = workspace or Workspace.at()
    ref = find_model(model, place)
    items = items or file_set(sources, place)
    chosen = options or (ref.recipe.evaluation if ref.recipe else EvaluationSection())
    if items.contaminated is None:
        items = replace(items, contaminated=_contaminated(ref, items.rows, place))
    if ref.recipe:
        items = replace(items, rows=_as_measured(ref.recipe, items.rows))
    generator = open_measured(ref, place, template=template, batch_size=chosen.batch_size)
    record = _measure(generator, items, chosen, on_progress)
    slug = "".join(letter if letter.isalnum() else "-" for letter in f"{ref.name}-{items.name}")[:120]
    record.write(place.ensure().evaluations / f"{slug}.json")
    return record


def _as_measured(recipe: Recipe, rows: list[Row]) -> list[Row]:
    """Rows with the answer that a model of this recipe is to give: its label, where it classifies."""
    objective = recipe.training.objective
    if not isinstance(objective, ClassificationObjective):
        return rows
    return [labelled(row, objective.label) for row in rows]


def _measure(
    generator: Generator | Judge, items: EvaluationSet, options: EvaluationSection, on_progress: Progress | None
) -> EvaluationRecord:
    report = on_progress or (lambda what, done, total: None)
    return measure(
        generator,
        items.rows,
        options,
        set_name=items.name,
        clusters=items.clusters,
        contaminated=items.contaminated,
        on_progress=lambda stage, done, total: report(f"{generator.name} on {items.name}: {stage}", done, total),
    )


def is_own_set(model: str, names: Sequence[str], workspace: Workspace | None = None) -> bool:
    """Whether the one name is `test` or a set of the recipe that the model was trained with."""
    if len(names) != 1:
        return False
    recipe = find_model(model, workspace or Workspace.at()).recipe
    return names[0] == "test" or (recipe is not None and names[0] in recipe.evaluation.sets)


def own_set(model: str, name: str, workspace: Workspace) -> EvaluationSet:
    """The test part of a run, or a set of its recipe."""
    _, record = find_model(model, workspace).needs_run()
    recipe = Recipe.model_validate(record.recipe)
    return _sets(recipe, prepare_again(record.data, workspace), name, workspace)[0]


def refuse_seen(model: str, items: EvaluationSet, workspace: Workspace) -> None:
    """Refuse to compare a model on questions that it learned from, whatever their answers.

    Raises:
        DataError: some of the questions are in the training part of the model's run.
    """
    ref = find_model(model, workspace)
    learned = {normalised(row.question) for row in _learned(ref, workspace) or ()}
    if seen := sum(normalised(row.question) in learned for row in items.rows):
        raise DataError(
            f"the model learned from {seen} of the {len(items.rows)} items of the set {items.name}",
            where=ref.name,
            expected="items that no model of the comparison has seen",
            mend="kamerton compare A B --on FILE, with other rows",
        )


def _learned(ref: ModelRef, workspace: Workspace) -> list[Row] | None:
    """The rows that a model learned from; None for a model that was not trained here."""
    if ref.run is None or ref.record is None:
        return None
    return prepare_again(ref.record.data, workspace)["train"]


def _contaminated(ref: ModelRef, items: Sequence[Row], workspace: Workspace) -> list[bool] | None:
    """Which items stand in the rows that a model learned from; None where those are not here."""
    try:
        learned = _learned(ref, workspace)
    except DataError:  # the model can be measured where its data are not; the record says that nobody looked
        return None
    if learned is None or ref.recipe is None:
        return None
    return contaminated(learned, items, ref.recipe.data.leaks)


def file_set(sources: Sequence[str], workspace: Workspace) -> EvaluationSet:
    """Files and data-set versions as one set."""
    rows = whole_rows(sources, workspace)
    return EvaluationSet(" ".join(sources), rows, near_duplicate_clusters(rows, 0.7))


def _sets(recipe: Recipe, parts: dict[str, list[Row]], on: str, workspace: Workspace) -> list[EvaluationSet]:
    known = ["test", *recipe.evaluation.sets]
    if on not in known:
        raise RequestError("no such set", where=on, expected=" or ".join(known))
    sets = []
    for name in known if on == "test" else [on]:
        rows = parts["test"] if name == "test" else whole_rows(recipe.evaluation.sets[name], workspace)
        if not rows:
            raise DataError("the set is empty", where=name, mend="give data.test files or a data.split.test share")
        clusters = near_duplicate_clusters(rows, recipe.data.split.similarity)
        seen = contaminated(parts["train"], rows, recipe.data.leaks)
        sets.append(EvaluationSet(name, _as_measured(recipe, rows), clusters, seen))
    return sets


def _generators(ref: ModelRef, recipe: Recipe, training: list[Row], workspace: Workspace) -> list[Generator | Judge]:
    """The tuned model, then each baseline that the recipe names."""
    options = recipe.evaluation
    tuned = open_measured(ref, workspace, name=CANDIDATE, batch_size=options.batch_size)
    generators: list[Generator | Judge] = [tuned]
    baselines = measured_models(recipe, "test")[1:]
    if not baselines or recipe.model.base is None:
        return generators
    base = open_model(
        ModelRef(recipe.model.base),
        workspace,
        name="base",
        template=recipe.model.chat_template,
        batch_size=options.batch_size,
    )
    if "base" in baselines:
        generators.append(base)
    if "few_shot" in baselines:
        generators.append(_few_shot(base, _as_measured(recipe, training), options))
    return generators


def _few_shot(base: TransformersGenerator, training: list[Row], options: EvaluationSection) -> FewShotGenerator:
    examples = choose_examples(training, options.shots, options.seed)

    def fits(prompt: list[Message], tools: str) -> bool:
        return base.fits(prompt, options.max_new_tokens, tools=tools)

    return FewShotGenerator(base, examples, fits=fits)
