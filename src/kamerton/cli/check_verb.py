"""`kamerton check RECIPE [key=value ...]`."""

from __future__ import annotations

import argparse
import json

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]

_SHOWN = 20
"""Findings that are shown; all are in the JSON document."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="recipe file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="values that replace the recipe's"
    )
    parser.add_argument("--explain", action="store_true", help="print every value and where it came from, and stop")


def run(options: argparse.Namespace, screen: Screen) -> int:
    if options.explain:
        return _explain(options, screen)
    from kamerton.cli.tables import plain_table
    from kamerton.flows.check import check

    result = check(options.recipe, overrides=options.overrides)
    findings = result.data.findings if result.data else []
    for finding in findings[:_SHOWN]:
        screen.say(f"{finding.file}:{finding.line}: {finding.severity}: {finding.kind}: {finding.message}")
    if len(findings) > _SHOWN:
        screen.say(f"... and {len(findings) - _SHOWN} more findings: kamerton check {options.recipe} --json")
    rows = [["ok" if item.passed else "NO", item.name, item.text] for item in result.items]
    screen.say(plain_table(["", "check", "found"], rows, wrap=("found",)))
    screen.say("ready to train" if result.passed else "not ready", style="bold green" if result.passed else "bold red")
    screen.document(result.document())
    return 0 if result.passed else 1


def _explain(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import plain_table
    from kamerton.flows.train import load_recipe

    resolved = load_recipe(options.recipe, options.overrides)
    rows = [
        [value.key, json.dumps(value.value, ensure_ascii=False), f"{value.origin} {value.note}".strip()]
        for value in resolved.values
    ]
    screen.say(plain_table(["key", "value", "from"], rows, wrap=("value", "from")))
    screen.document(
        {
            "digest": resolved.digest,
            "values": [
                {"key": value.key, "value": value.value, "origin": value.origin, "note": value.note}
                for value in resolved.values
            ],
        }
    )
    return 0
