"""`kamerton schema`."""

from __future__ import annotations

import argparse
import json
import sys

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # no arguments


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.recipe import json_schema

    sys.stdout.write(json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n")
    return 0
