"""`kamerton report MODEL`."""

from __future__ import annotations

import argparse
from pathlib import Path

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a run id, its beginning, last, or NAME@ALIAS")
    parser.add_argument("--language", choices=["pl", "en"], default="en", help="language of the report (en)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to (the run folder)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.report import report

    written = report(options.model, language=options.language, folder=options.out)
    for path in written.values():
        screen.say(str(path))
    screen.document({kind: str(path) for kind, path in written.items()})
    return 0
