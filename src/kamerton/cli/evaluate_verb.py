"""`kamerton evaluate MODEL --on SET`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from kamerton.recipe import Recipe

__all__ = ["add_arguments", "add_options", "options_of", "refuse_recipe", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a run id, last, NAME@ALIAS, a path, a packaged base or a hub id"
    )
    parser.add_argument(
        "--on",
        nargs="+",
        default=["test"],
        metavar="SET",
        help="test (the run's own test part, with its baselines), a set of its recipe, or files and versions (test)",
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", metavar="RECIPE", help="take evaluation: and model.chat_template from this recipe")


def options_of(options: argparse.Namespace) -> Recipe | None:
    """The recipe that `--recipe` names."""
    if options.recipe is None:
        return None
    from kamerton.flows.train import load_recipe

    return load_recipe(options.recipe).recipe


def refuse_recipe(options: argparse.Namespace) -> None:
    """A run is measured on its own sets with its own recipe; another one would be passed over without a word."""
    if options.recipe is not None:
        raise RequestError(
            "on the run's own sets the run's own recipe counts",
            where=f"--recipe {options.recipe}",
            mend="leave --recipe out, or name files with --on",
        )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import EvaluationProgress
    from kamerton.cli.tables import metrics_table, subsets_table
    from kamerton.flows.evaluate import evaluate, evaluate_on, is_own_set

    with EvaluationProgress(screen) as progress:
        if is_own_set(options.model, options.on):
            refuse_recipe(options)
            records = evaluate(options.model, on=options.on[0], on_progress=progress)
        else:
            recipe = options_of(options)
            records = [
                evaluate_on(
                    options.model,
                    options.on,
                    options=recipe.evaluation if recipe else None,
                    template=recipe.model.chat_template if recipe else "tokenizer",
                    on_progress=progress,
                )
            ]
    screen.say(metrics_table(records))
    for record in records:
        if record.cut_off:
            screen.say(f"{record.model} on {record.set_name}: {record.cut_off} answers reached max_new_tokens")
    for record in records:
        if record.contaminated:
            screen.say(
                f"{record.model} on {record.set_name}: {record.contaminated} of {len(record.items)} items stand in the "
                "training rows"
            )
    if any(record.subsets for record in records):
        screen.say(subsets_table(records))
    screen.document([record.model_dump(mode="json") for record in records])
    return 0
