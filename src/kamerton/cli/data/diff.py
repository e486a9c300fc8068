"""`kamerton data diff`: what differs between two versions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.cli.data.shown import SHOWN, row_document, row_documents, row_line, say_changes
from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.data.versions import Change

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import diff_data

    found = diff_data(options.first, options.second)
    screen.say(f"{len(found.added)} rows added, {len(found.removed)} removed, {len(found.changed)} changed")
    for change in found.changed[:SHOWN]:
        screen.say(f"~ {row_line(change.before, screen.console.width - 2)}", style="yellow")
        say_changes(change.before, change.after, screen, lead="    ")
    for sign, rows, style in (("+", found.added, "green"), ("-", found.removed, "red")):
        for row in rows[:SHOWN]:
            screen.say(f"{sign} {row_line(row, screen.console.width - 2)}", style=style)
    hidden = sum(max(len(rows) - SHOWN, 0) for rows in (found.added, found.removed, found.changed))
    if hidden:
        screen.say(f"... and {hidden} more rows; --json has them all")
    if screen.json:
        changed = [_changed(change) for change in found.changed]
        added, removed = row_documents(found.added, None), row_documents(found.removed, None)
        screen.document({"added": added, "removed": removed, "changed": changed})
    return 0


def _changed(change: Change) -> dict[str, object]:
    fields = {field.field: [{"op": span.op, "text": span.text} for span in field.spans] for field in change.fields}
    return {"before": row_document(change.before), "after": row_document(change.after), "fields": fields}
