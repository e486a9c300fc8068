"""`kamerton data read`: how each file was understood."""

from __future__ import annotations

import argparse

from kamerton.cli.data.shown import row_documents, say_findings, show_rows
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import read_data

    read = read_data(asked_sources(options))
    for source in read.sources:
        shape = f"{source.shape} ({source.shape_reason})" if source.shape else "of no known shape"
        screen.say(f"{source.file}: {source.rows_ok} of {source.rows_read} rows, {shape}")
    say_findings(read.findings, screen)
    show_rows(read.rows, screen)
    screen.document(
        {
            "sources": [source.model_dump(mode="json") for source in read.sources],
            "findings": [finding.model_dump(mode="json") for finding in read.findings],
            "rows": row_documents(read.rows),
        }
    )
    return 0
