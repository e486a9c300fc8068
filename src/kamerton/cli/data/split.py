"""`kamerton data split`: part rows so that alike ones stay together."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.cli.arguments import positive
from kamerton.cli.data.shown import say_findings
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from kamerton.recipe import SplitSection

__all__ = ["add_arguments", "run"]

_CATEGORIES = 8
"""Categories of a part that are shown; the JSON document has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="gets train, validation and test.jsonl"
    )
    for name, share in (("validation", 0.1), ("test", 0.15)):
        parser.add_argument(
            f"--{name}",
            type=_portion,
            default=share,
            metavar="SHARE",
            help=f"share of rows, or a number of rows ({share})",
        )
    parser.add_argument(
        "--by",
        default="near_duplicates",
        choices=("near_duplicates", "group", "time", "rows"),
        help="what stays together: clusters of alike rows and groups (near_duplicates), groups alone, clusters by "
        "time with the newest in the test part, or equal rows alone",
    )
    parser.add_argument(
        "--stratify",
        default="none",
        choices=("none", "category", "task"),
        help="give each part the same share of each (none)",
    )
    parser.add_argument(
        "--folds", type=positive, metavar="K", help="write K folds beside one fixed test part (2 to 20)"
    )
    parser.add_argument("--seed", type=int, default=42, help="seed (42)")


def _portion(text: str) -> int | float:
    """A number of rows (1 or more, without a point) or a share."""
    try:
        return int(text) if text.isdecimal() and int(text) else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a share nor a number of rows") from error


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.split_data import split_data

    files, findings = split_data(asked_sources(options), options.out, options=_section(options))
    say_findings(findings, screen)
    categories = {name: Counter(row.category for row in rows) for name, rows in files.items()}
    for name, rows in files.items():
        screen.say(f"{options.out / name}.jsonl: {len(rows)} rows{_said(categories[name])}")
    for name, rows in files.items():
        if not rows and getattr(options, name, False):
            screen.say(
                f"{name} is empty: a share may fall on none of few clusters or groups; a number of rows (--{name} 50) "
                "is met as nearly as whole ones allow"
            )
    if parted := sum(finding.kind == "parted_cluster" for finding in findings):
        screen.say(
            f"{parted} clusters of alike rows stand on several sides (--by {options.by}), so that what tests is partly "
            "known to what learns; --by near_duplicates keeps them together"
        )
    counts = {name: len(rows) for name, rows in files.items()}
    screen.document(
        counts
        | {
            "categories": {name: dict(sorted(found.items())) for name, found in categories.items()},
            "findings": [finding.model_dump(mode="json") for finding in findings],
        }
    )
    return 0


def _section(options: argparse.Namespace) -> SplitSection:
    from pydantic import ValidationError

    from kamerton.recipe import SplitSection

    names = ("validation", "test", "by", "stratify", "folds", "seed")
    try:
        return SplitSection(**{name: getattr(options, name) for name in names})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = "--" + str(fault["loc"][0]) if fault["loc"] else "kamerton data split"
        raise RequestError(fault["msg"].removeprefix("Value error, "), where=where) from error


def _said(categories: Counter[str]) -> str:
    if not any(categories):
        return ""
    shown = [f"{name or 'none'} {count}" for name, count in categories.most_common(_CATEGORIES)]
    rest = len(categories) - len(shown)
    return ": " + ", ".join(shown) + (f", and {rest} more categories" if rest > 0 else "")
