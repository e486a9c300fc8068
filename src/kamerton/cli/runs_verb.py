"""`kamerton runs`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--last", type=int, default=20, metavar="N", help="only the newest n runs (20)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import plain_table
    from kamerton.flows.follow import runs

    found = runs()[-options.last :]
    rows = [
        [
            run["run_id"],
            run["state"],
            f"{run['step']}/{run['steps'] or '?'}",
            f"{run['loss']:.3f}" if run["loss"] is not None else "",
            f"{run['validation_loss']:.3f}" if run["validation_loss"] is not None else "",
            (run["started"] or "")[:19],
        ]
        for run in found
    ]
    if rows:
        screen.say(plain_table(["run", "state", "step", "loss", "validation", "started"], rows, right=("step", "loss")))
    else:
        screen.say("no runs yet; kamerton train RECIPE makes one")
    screen.document(found)
    return 0
