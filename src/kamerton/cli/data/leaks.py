"""`kamerton data leaks`: which test items stand in training rows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.cli.data.shown import SHOWN
from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError
from kamerton.ground.shares import share_text

if TYPE_CHECKING:
    from kamerton.recipe import LeakSection
    from kamerton.records.leaks import LeakSet

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", metavar="TRAIN", help="files or versions with the training rows")
    parser.add_argument(
        "--against",
        required=True,
        nargs="+",
        metavar="SET",
        help="files or versions with test items, or task files of lm-eval (.yaml)",
    )
    parser.add_argument("--ngram", type=int, metavar="N", help="words in a row that count as a copy (13)")
    parser.add_argument("--coverage", type=float, metavar="SHARE", help="share of words in 8-word pieces (0.7)")
    parser.add_argument("--similarity", type=float, metavar="SHARE", help="Jaccard similarity of word 3-grams (0.7)")
    parser.add_argument("--embeddings", metavar="MODEL", help="compare meanings too, by a model2vec folder or hub id")
    parser.add_argument("--canaries", type=int, metavar="N", help="leaks of each sort that are planted (20)")
    parser.add_argument("--seed", type=int, default=42, help="seed of the planted leaks (42)")
    parser.add_argument(
        "--max-contaminated", type=float, default=0.0, metavar="SHARE", help="share that is tolerated in each set (0)"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.leaks import find_leaks

    if not 0.0 <= options.max_contaminated <= 1.0:
        raise RequestError("a share lies between 0 and 1", where=f"--max-contaminated {options.max_contaminated}")
    report = find_leaks(options.sources, options.against, options=_section(options), seed=options.seed)
    for found in report.sets:
        _say(found, screen)
    screen.document(report.model_dump(mode="json"))
    failed = [found for found in report.sets if found.share > options.max_contaminated]
    for found in failed:
        screen.say(
            f"NO  {found.name}: {share_text(found.share)} contaminated; "
            f"--max-contaminated {share_text(options.max_contaminated)}",
            style="bold red",
        )
    return 1 if failed else 0


def _section(options: argparse.Namespace) -> LeakSection:
    from pydantic import ValidationError

    from kamerton.recipe import LeakSection

    names = ("ngram", "coverage", "similarity", "embeddings", "canaries")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    try:
        return LeakSection.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise RequestError(fault["msg"], where=f"--{fault['loc'][0]} {given[str(fault['loc'][0])]}") from error


def _say(found: LeakSet, screen: Screen) -> None:
    from kamerton.cli.tables import plain_table

    screen.say(
        f"{found.name}: {found.contaminated} of {found.items} items ({share_text(found.share)}) stand in "
        f"{found.leaking_rows} training rows"
    )
    if found.short_items:
        screen.say(f"  {found.short_items} questions have fewer than 5 words: they are compared whole")
    if found.form_items:
        screen.say(f"  {found.form_items} questions share a form, which is left out of the comparison")
    if found.by_method:
        counts = [(method, str(count)) for method, count in found.by_method.items()]
        screen.say(plain_table(["method", "items"], counts, right=("items",)))
        for item in found.found[:SHOWN]:
            match = item.matches[0]
            where = f"{item.file}:{item.line} in {match.file}:{match.line}"
            screen.say(f"{where}: {match.method} {match.score:.2f}, {match.part}: {match.text}")
        if len(found.found) > SHOWN:
            screen.say(f"... and {len(found.found) - SHOWN} more items; --json has them all")
    if found.canaries:
        names = {"none": "no leaks"}
        canaries = [
            (
                names.get(each.sort, each.sort),
                str(each.planted),
                str(each.found),
                _share(each.share, each.low, each.high),
            )
            for each in found.canaries
        ]
        screen.say(plain_table(["planted", "rows", "called leaks", "share"], canaries, right=("rows", "called leaks")))


def _share(share: float | None, low: float | None, high: float | None) -> str:
    if share is None:
        return "-"
    return f"{share:.1%}" if low is None or high is None else f"{share:.1%} [{low:.1%}, {high:.1%}]"
