"""`kamerton init FOLDER`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="the new project's folder")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.init import init
    from kamerton.flows.versions import GIT_CONFIG

    written = init(options.folder)
    for path in written:
        screen.say(f"wrote {path}")
    screen.say(f"merges of data-set pointers, once in each clone: {GIT_CONFIG}")
    screen.say(f"next: cd {options.folder} && kamerton check recipe.yaml")
    screen.document({"written": [str(path) for path in written]})
    return 0
