"""Arguments that several verbs take."""

from __future__ import annotations

import argparse

__all__ = ["add_recipe_arguments", "add_runner_arguments", "positive"]


def positive(text: str) -> int:
    """A whole number from 1, for `type=` of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """A recipe and values that replace some of its own."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="values that replace the recipe's"
    )


def add_runner_arguments(parser: argparse.ArgumentParser) -> None:
    """Who does the steps that look at each row alone."""
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="worker processes (1: none)")
    parser.add_argument("--runner", default="processes", choices=("processes", "ray"), help="who works (processes)")
