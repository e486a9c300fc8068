"""`kamerton data restore`: an old version becomes the newest."""

from __future__ import annotations

import argparse

from kamerton.cli.data.shown import say_version
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="NAME@TAG", help="the version whose rows become the newest again")
    parser.add_argument("--message", default="", help="why (restored from vN)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.versions import restore_data

    version, pointer = restore_data(options.ref, message=options.message)
    say_version(version, screen)
    screen.say(f"pointer for Git: {pointer}")
    screen.say(f"its rows as a file: kamerton data export {version.name} --out {version.name}.jsonl")
    screen.document(version.model_dump(mode="json") | {"pointer": str(pointer)})
    return 0
