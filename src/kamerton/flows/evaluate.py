"""Evaluate: a model and its recipe's baselines on the same items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kamerton.data import Row, near_duplicate_clusters
from kamerton.evaluation import FewShotGenerator, choose_examples
from kamerton.evaluation import evaluate as measure
from kamerton.flows.models import ModelRef, find_model, open_model
from kamerton.flows.prepare import prepare_again, read_rows
from kamerton.flows.results import Results
from kamerton.ground.errors import DataError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import DataSection, EvaluationSection, Recipe
from kamerton.records.evaluation import EvaluationRecord

if TYPE_CHECKING:
    from kamerton.evaluation import Generator
    from kamerton.models.generate import TransformersGenerator

__all__ = ["CANDIDATE", "Progress", "evaluate", "evaluate_on"]

CANDIDATE = "tuned"
"""What records call the model that a run made."""

Progress = Callable[[str, int, int], None]
"""Called with what is measured (`tuned on test: generate`), items done and all items."""


@dataclass(frozen=True)
class _Set:
    name: str
    rows: list[Row]
    clusters: list[int]


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
    parts = prepare_again(recipe, record.data, place)
    sets = _sets(recipe, parts, on, place)
    results = Results(run)
    records = []
    for generator in _generators(ref, recipe, parts["train"], place):
        for chosen in sets:
            if isinstance(generator, FewShotGenerator) and chosen.name != "test":
                continue  # plain texts have no place for examples
            found = _measure(generator, chosen, recipe.evaluation, on_progress)
            found.write(results.evaluation_file(chosen.name, generator.name))
            records.append(found)
    return records


def evaluate_on(
    model: str,
    sources: Sequence[str],
    workspace: Workspace | None = None,
    *,
    options: EvaluationSection | None = None,
    template: str = "tokenizer",
    on_progress: Progress | None = None,
) -> EvaluationRecord:
    """Measure any model on any files or data-set versions.

    Args:
        options: None takes the model's own recipe, or the defaults for a base model.
        template: `model.chat_template` for a base model whose tokenizer has none.
    """
    place = workspace or Workspace.at()
    ref = find_model(model, place)
    chosen = options or (ref.recipe.evaluation if ref.recipe else EvaluationSection())
    rows = _rows(sources, place)
    generator = open_model(ref, place, template=template, batch_size=chosen.batch_size)
    items = _Set(" ".join(sources), rows, near_duplicate_clusters(rows, 0.7))
    record = _measure(generator, items, chosen, on_progress)
    slug = "".join(letter if letter.isalnum() else "-" for letter in f"{ref.name}-{items.name}")[:120]
    record.write(place.ensure().evaluations / f"{slug}.json")
    return record


def _measure(
    generator: Generator, items: _Set, options: EvaluationSection, on_progress: Progress | None
) -> EvaluationRecord:
    report = on_progress or (lambda what, done, total: None)
    return measure(
        generator,
        items.rows,
        options,
        set_name=items.name,
        clusters=items.clusters,
        on_progress=lambda stage, done, total: report(f"{generator.name} on {items.name}: {stage}", done, total),
    )


def _sets(recipe: Recipe, parts: dict[str, list[Row]], on: str, workspace: Workspace) -> list[_Set]:
    known = ["test", *recipe.evaluation.sets]
    if on not in known:
        raise RequestError("no such set", where=on, expected=f"{', '.join(known)}, or a file")
    sets = []
    for name in known if on == "test" else [on]:
        rows = parts["test"] if name == "test" else _rows(recipe.evaluation.sets[name], workspace)
        if not rows:
            raise DataError("the test part is empty", where="data.split.test", mend="give data.test files, or a share")
        clusters = near_duplicate_clusters(rows, recipe.data.split.similarity)
        sets.append(_Set(name, rows, clusters))
    return sets


def _rows(sources: Sequence[str], workspace: Workspace) -> list[Row]:
    read = read_rows(sources, DataSection(train=list(sources)), workspace)
    if broken := [finding for finding in read.findings if finding.severity == "error"]:
        first = broken[0]
        raise DataError(
            f"{len(broken)} rows cannot be read; the first: {first.message}",
            where=f"{first.file}:{first.line}",
            mend=f"kamerton data check {' '.join(sources)}",
        )
    return read.rows


def _generators(ref: ModelRef, recipe: Recipe, training: list[Row], workspace: Workspace) -> list[Generator]:
    """The tuned model, then each baseline that the recipe names."""
    options = recipe.evaluation
    generators: list[Generator] = [open_model(ref, workspace, name=CANDIDATE, batch_size=options.batch_size)]
    if not options.baselines or recipe.model.base is None:
        return generators
    base = open_model(
        ModelRef(recipe.model.base),
        workspace,
        name="base",
        template=recipe.model.chat_template,
        batch_size=options.batch_size,
    )
    if "base" in options.baselines:
        generators.append(base)
    if "few_shot" in options.baselines and recipe.training.objective == "sft":
        generators.append(_few_shot(base, training, options))
    return generators


def _few_shot(base: TransformersGenerator, training: list[Row], options: EvaluationSection) -> FewShotGenerator:
    examples = choose_examples(training, options.shots, options.seed)
    return FewShotGenerator(base, examples, fits=lambda prompt: base.fits(prompt, options.max_new_tokens))
