"""What the actions that write a result share: where it goes, and what is said of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.flows.destination import Written

__all__ = ["add_destination_arguments", "say_written", "written_document"]


def add_destination_arguments(parser: argparse.ArgumentParser) -> None:
    """A new file or a new version."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE", help="a new JSONL file for the result")
    where.add_argument("--to", default="", metavar="NAME", help="a data set that gets the result as a new version")


def say_written(written: Written, rows: int, screen: Screen, otherwise: str) -> None:
    """The file or version with its rows, or what would write one."""
    if written.version is not None:
        version = written.version
        screen.say(f"{version.name}@v{version.version}: {version.rows} rows, fingerprint {version.fingerprint}")
        screen.say(f"pointer for Git: {written.pointer}")
    elif written.out is not None:
        screen.say(f"{written.out}: {rows} rows")
    else:
        screen.say(f"nothing was written; {otherwise}")


def written_document(written: Written) -> dict[str, Any]:
    """The same for machines."""
    return {
        "file": str(written.out) if written.out else None,
        "version": written.version.model_dump(mode="json") if written.version else None,
        "pointer": str(written.pointer) if written.pointer else None,
    }
