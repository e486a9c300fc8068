"""`kamerton check RECIPE [key=value ...]`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from kamerton.cli.arguments import add_recipe_arguments
from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.flows.check import CheckItem
    from kamerton.recipe.llamafactory import Translation

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--explain", action="store_true", help="print every value and where it came from, and stop")
    parser.add_argument("--machine", metavar="NAME", help="forecast for this GPU, such as rtx-4090, a100-80gb")
    parser.add_argument("--quick", action="store_true", help="forecast by shapes alone, without measured steps")


def run(options: argparse.Namespace, screen: Screen) -> int:
    if options.explain:
        return _explain(options, screen)
    from kamerton.cli.data.check_shown import MARKS, say_findings_by_kind
    from kamerton.cli.progress import StepProgress
    from kamerton.cli.tables import plain_table
    from kamerton.flows.check import check

    with StepProgress(screen) as progress:
        result = check(
            options.recipe,
            overrides=options.overrides,
            machine=options.machine,
            quick=options.quick,
            on_step=progress,
        )
    if result.data:
        say_findings_by_kind(result.data.findings, screen)
    rows = [[MARKS[_state(item)], item.name, item.text] for item in result.items]
    screen.say(plain_table(["", "check", "found"], rows, wrap=("found",)))
    screen.say("ready to train" if result.passed else "not ready", style="bold green" if result.passed else "bold red")
    screen.document(result.document())
    return 0 if result.passed else 1


def _state(item: CheckItem) -> str:
    return "failed" if not item.passed else "warning" if item.doubtful else "passed"


def _explain(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import plain_table
    from kamerton.flows.train import load_recipe

    resolved = load_recipe(options.recipe, options.overrides, machine=options.machine)
    if resolved.translation is not None:
        _say_translation(resolved.translation, screen)
    rows = [
        [value.key, json.dumps(value.value, ensure_ascii=False), f"{value.origin} {value.note}".strip()]
        for value in resolved.values
    ]
    screen.say(plain_table(["key", "value", "from"], rows, wrap=("value", "from")))
    screen.document(
        {
            "digest": resolved.digest,
            "llamafactory": asdict(resolved.translation) if resolved.translation else None,
            "values": [
                {"key": value.key, "value": value.value, "origin": value.origin, "note": value.note}
                for value in resolved.values
            ],
        }
    )
    return 0


def _say_translation(translation: Translation, screen: Screen) -> None:
    """Each key of a LLaMA-Factory file, what it became, and where Kamerton behaves otherwise."""
    from kamerton.cli.tables import plain_table

    rows = []
    for told in translation.told:
        value = json.dumps(told.value, ensure_ascii=False) if not isinstance(told.value, str) else told.value
        mark = "->" if told.fate == "became" else "="
        rows.append([told.place, f"{told.key}: {value}", mark, told.became])
        rows += [["", "", "!", f"otherwise: {sentence}"] for sentence in told.otherwise]
    screen.say(plain_table(["", "LLaMA-Factory", "", "here"], rows, wrap=("LLaMA-Factory", "here")))
    for sentence in translation.otherwise:
        screen.say(f"otherwise: {sentence}")
    for notice in translation.notices:
        screen.say(notice)
    screen.say("")
