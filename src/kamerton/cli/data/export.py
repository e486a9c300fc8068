"""`kamerton data export`: a version as files for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from kamerton.cli.data.shown import say_findings
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="NAME@TAG")
    parser.add_argument(
        "--format", default="jsonl", choices=("jsonl", "openai", "llamafactory", "parquet"), help="for whom (jsonl)"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="PATH", help="the file, or the folder of dataset_info.json"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import export_data

    done = export_data(options.ref, options.format, options.out)
    for file in done.files:
        screen.say(f"{file.file}: {file.records} rows")
    for what, rows in sorted(done.lost.items()):
        screen.say(f"lost: {what}, of {rows} rows", style="yellow")
    if done.refused:
        screen.say(f"{len(done.refused)} of {done.rows} rows are in no file, which {options.format} cannot carry:")
        say_findings(done.refused, screen)
    if options.format == "openai":
        screen.say(f"next: kamerton data validate {done.files[0].file}")
    screen.document(
        {
            "files": [{"file": file.file, "rows": file.records} for file in done.files],
            "rows": done.rows,
            "refused": [finding.model_dump(mode="json") for finding in done.refused],
            "lost": dict(done.lost),
        }
    )
    return 1 if done.refused else 0
