"""`kamerton data check`: the whole report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.cli.arguments import add_runner_arguments, positive
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.recipe import Recipe, Source

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser)
    parser.add_argument("--recipe", metavar="RECIPE", help="part, clean and judge the rows as this recipe says")
    parser.add_argument("--model", default="", metavar="MODEL", help="count tokens as this model does (the recipe's)")
    parser.add_argument(
        "--max-length", type=positive, metavar="N", help="tokens from which a row is cut (the recipe's)"
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="SET",
        help="a set whose items must not stand in the rows; can be given several times",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page, too")
    parser.add_argument("--language", choices=["pl", "en"], default="en", help="language of the page (en)")
    add_runner_arguments(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.data.check_shown import say_report
    from kamerton.cli.progress import StepProgress
    from kamerton.data.batches import runner
    from kamerton.flows.check_data import check_data, write_page
    from kamerton.flows.data_context import token_limit
    from kamerton.ground.settings import Workspace

    recipe = _recipe(options.recipe) if options.recipe else None
    place = Workspace.at()
    with StepProgress(screen) as progress:
        report = check_data(
            _sources(options, recipe),
            place,
            recipe=recipe,
            tokens=token_limit(recipe, place, model=options.model, max_length=options.max_length),
            against=options.against,
            run=runner(options.workers, options.runner),
            on_step=progress,
        )
    say_report(report, screen)
    if options.html:
        write_page(report, options.html, options.language)
        screen.say(f"page: {options.html}")
    screen.document(report.model_dump(mode="json"))
    return 0 if report.passed else 1


def _recipe(path: str) -> Recipe:
    from kamerton.flows.train import load_recipe

    return load_recipe(path, []).recipe


def _sources(options: argparse.Namespace, recipe: Recipe | None) -> list[str | Source]:
    """The sources; what the arguments do not say is read as the recipe says."""
    from kamerton.recipe import Source

    asked = asked_sources(options)
    if recipe is None:
        return list(asked)
    data = recipe.data
    return [
        Source(
            source=each.source,
            shape=data.shape if each.shape == "auto" else each.shape,
            columns={**data.columns, **each.columns},
            max_rows=data.max_rows,
        )
        for each in asked
    ]
