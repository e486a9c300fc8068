"""`kamerton stop RUN`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", metavar="RUN", help="a run id, its beginning, or last (last)")
    parser.add_argument("--wait", type=float, default=60.0, metavar="SECONDS", help="how long to wait at most (60)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.follow import stop

    stopped = stop(options.run, wait=options.wait)
    state = stopped.state
    more = "" if state == "complete" else f"; go on with: kamerton train --resume {stopped.run_id}"
    screen.say(f"{stopped.run_id} is {state}{more}")
    screen.document({"run_id": stopped.run_id, "state": state})
    return 0
