"""`kamerton schema`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen, write_document

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # no arguments


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.recipe import json_schema

    write_document(json_schema())
    return 0
