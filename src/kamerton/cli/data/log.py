"""`kamerton data log`: the versions of a data set."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import moment, plain_table
    from kamerton.data import DatasetStore
    from kamerton.ground.settings import Workspace

    versions = DatasetStore(Workspace.at()).log(options.name)
    rows = [
        [f"v{v.version}", ", ".join(v.tags), str(v.rows), v.fingerprint[:16], moment(v.created), v.message]
        for v in versions
    ]
    columns = ["version", "tags", "rows", "fingerprint", "created", "message"]
    screen.say(plain_table(columns, rows, right=("rows",), wrap=("tags", "message")))
    screen.document([version.model_dump(mode="json") for version in versions])
    return 0
