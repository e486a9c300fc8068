"""`kamerton data tag`: name a version."""

from __future__ import annotations

import argparse

from kamerton.cli.data.shown import say_version
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="NAME@vN")
    parser.add_argument("tag", metavar="TAG")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import tag_data

    version = tag_data(options.ref, options.tag)
    say_version(version, screen)
    screen.document(version.model_dump(mode="json"))
    return 0
