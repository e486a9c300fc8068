"""`kamerton data show`: a version and its first rows."""

from __future__ import annotations

import argparse
from itertools import islice

from kamerton.cli.data.shown import row_documents, say_version, show_rows
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="NAME@TAG")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.data import DatasetStore
    from kamerton.ground.settings import Workspace

    store = DatasetStore(Workspace.at())
    version, rows = store.show(options.ref), list(islice(store.stream(options.ref), 5))
    say_version(version, screen)
    show_rows(rows, screen)
    screen.document(version.model_dump(mode="json") | {"first_rows": row_documents(rows)})
    return 0
