"""`kamerton data verify`: whether the stored rows are those that were committed."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "refs", nargs="*", metavar="NAME[@TAG]", help="versions, or data sets with all their versions (all data sets)"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.versions import verify_data

    versions = verify_data(options.refs)
    for version in versions:
        screen.say(f"{version.name}@v{version.version}: {version.rows} rows are those of {version.fingerprint}")
    if not versions:
        screen.say("there are no data sets")
    screen.document([version.model_dump(mode="json") for version in versions])
    return 0
