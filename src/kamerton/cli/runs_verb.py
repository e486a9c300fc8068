"""`kamerton runs`."""

from __future__ import annotations

import argparse

from kamerton.cli.arguments import positive
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--last", type=positive, default=20, metavar="N", help="only the newest n runs (20)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import moment, plain_table
    from kamerton.flows.follow import runs

    found = runs()[-options.last :]
    rows = [
        [
            run["run_id"],
            run["state"],
            f"{run['step']}/{run['steps'] or '?'}",
            f"{run['loss']:.3f}" if run["loss"] is not None else "",
            f"{run['validation_loss']:.3f}" if run["validation_loss"] is not None else "",
            moment(run["started"] or ""),
        ]
        for run in found
    ]
    if rows:
        columns = ["run", "state", "step", "loss", "validation", "started"]
        screen.say(plain_table(columns, rows, right=("step", "loss", "validation"), wrap=("started",)))
    else:
        screen.say("no runs yet; kamerton train RECIPE makes one")
    screen.document(found)
    return 0
