"""`kamerton compare A [B ...] --on SET` and `kamerton compare A --earlier`."""

from __future__ import annotations

import argparse

from kamerton.cli.evaluate_verb import add_options, options_of, refuse_recipe
from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="A", help="the candidate: a run id, last, NAME@ALIAS, a path or a hub id")
    parser.add_argument(
        "others", nargs="*", default=[], metavar="B", help="models to compare with; none means the recipe's baselines"
    )
    parser.add_argument("--on", nargs="+", default=["test"], metavar="SET", help="test, or files and versions (test)")
    parser.add_argument(
        "--earlier", action="store_true", help="compare with the runs that A goes back to, each on its own test part"
    )
    add_options(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import EvaluationProgress
    from kamerton.cli.tables import comparison_table
    from kamerton.flows.compare import compare, compare_on
    from kamerton.flows.evaluate import is_own_set
    from kamerton.flows.forgetting import forgetting

    with EvaluationProgress(screen) as progress:
        if options.earlier:
            if options.others or options.on != ["test"]:
                raise RequestError(
                    "--earlier chooses models and sets by itself", mend=f"kamerton compare {options.model} --earlier"
                )
            records = forgetting(options.model, on_progress=progress)
        elif not options.others:
            refuse_recipe(options)
            if not is_own_set(options.model, options.on):
                raise RequestError(
                    "a comparison on other sets needs a second model",
                    where=" ".join(options.on),
                    expected="test, or a set of the run's recipe",
                    mend=f"kamerton compare {options.model} OTHER --on {' '.join(options.on)}",
                )
            records = compare(options.model, on=options.on[0], on_progress=progress)
        else:
            recipe = options_of(options)
            records = [
                compare_on(
                    [options.model, *options.others],
                    options.on,
                    options=recipe.evaluation if recipe else None,
                    template=recipe.model.chat_template if recipe else "tokenizer",
                    on_progress=progress,
                )
            ]
    for record in records:
        screen.say(f"{record.candidate} on {record.set_name}")
        screen.say(comparison_table(record))
    screen.document([record.model_dump(mode="json") for record in records])
    return 0
