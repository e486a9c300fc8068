"""`kamerton data ACTION`; each action is a module of `kamerton.cli.data` with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import importlib
from typing import Any, Final

from kamerton.cli.screen import Screen

__all__ = ["ACTIONS", "add_arguments", "run"]

ACTIONS: Final = {
    "read": "show the first rows and how each file was understood",
    "clean": "what each cleaning step finds, before and after; --fix mends",
    "protect": "personal data and secrets, reported, masked, given pseudonyms, or set aside with their row",
    "check": "every finding by file and line, duplicates, lengths",
    "leaks": "which test items stand in training rows, and how many planted leaks are found",
    "split": "part rows by cluster of alike rows",
    "prepare": "the whole data section of a recipe, as files for any trainer",
    "commit": "keep rows as an immutable version",
    "log": "the versions of a data set",
    "show": "a version and its first rows",
    "diff": "rows added, removed and changed from one version to another, with the words that changed",
    "tag": "name a version",
    "restore": "make an old version the newest again",
    "verify": "compute fingerprints again from what the rows say",
    "merge": "what Git calls to merge two pointers of a data set",
    "export": "a version as JSON lines or Parquet, for OpenAI or for LLaMA-Factory",
    "validate": "a file against the rules for which a hosted service refuses it",
}
"""Actions in the order of the work."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in ACTIONS.items():
        _module(name).add_arguments(actions.add_parser(name, help=summary))


def run(options: argparse.Namespace, screen: Screen) -> int:
    return int(_module(options.action).run(options, screen))


def _module(action: str) -> Any:
    return importlib.import_module(f"kamerton.cli.data.{action}")
