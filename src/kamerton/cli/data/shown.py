"""What the actions of `kamerton data` share: their source arguments, and findings, rows and versions as text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

from kamerton.cli.screen import Screen, shown

if TYPE_CHECKING:
    from rich.text import Text

    from kamerton.data import Row
    from kamerton.records.data import DatasetVersion, Finding

__all__ = [
    "SHOWN",
    "row_document",
    "row_documents",
    "row_line",
    "say_changes",
    "say_findings",
    "say_version",
    "show_rows",
]

SHOWN = 20
"""Findings and rows that are shown; the JSON document has them all."""

_CONTEXT = 40
"""Characters on each side of a change that are shown."""
_NARROWEST = 20
"""Columns that a text gets on the narrowest terminal."""


def say_findings(findings: list[Finding], screen: Screen) -> None:
    for finding in findings[:SHOWN]:
        screen.say(f"{finding.file}:{finding.line}: {finding.severity}: {finding.kind}: {finding.message}")
    if len(findings) > SHOWN:
        screen.say(f"... and {len(findings) - SHOWN} more findings; --json has them all")


def say_version(version: DatasetVersion, screen: Screen) -> None:
    tags = f" ({', '.join(version.tags)})" if version.tags else ""
    said = f", {version.message}" if version.message else ""
    screen.say(f"{version.name}@v{version.version}{tags}: {version.rows} rows, {version.created[:19]}{said}")
    screen.say(f"fingerprint {version.fingerprint}")


def show_rows(rows: list[Row], screen: Screen) -> None:
    for row in rows[:5]:
        screen.say(row_line(row, screen.console.width), style="dim")


def row_line(row: Row, width: int) -> str:
    prompt = row.prompt[-1]["content"] + " => " if row.prompt else ""
    text = " ".join((prompt + row.answer).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def row_documents(rows: Iterable[Row], first: int | None = 5) -> list[dict[str, object]]:
    return [row_document(row) for row in islice(rows, first)]


def row_document(row: Row) -> dict[str, object]:
    """What a row says and where it was read."""
    place = {"row_hash": row.row_hash, "file": row.file, "line": row.line}
    return {**place, "messages": None, "text": None, **row.content}


def say_changes(before: Row, after: Row, screen: Screen, lead: str = "") -> None:
    """The parts of a row that changed: [-words that went-] and {+words that came+} among the others."""
    from rich.text import Text

    from kamerton.data.versions import Change

    for change in Change(before, after).fields:
        line = Text()
        for span in change.spans:
            if span.op == "same":
                line.append(_shortened(shown(span.text)))
            elif span.op == "removed":
                line.append(f"[-{_on_line(shown(span.text))}-]", style="red")
            else:
                line.append(f"{{+{_on_line(shown(span.text))}+}}", style="green")
        _say_hanging(f"{lead}{change.field}: ", line, screen)


def _say_hanging(label: str, text: Text, screen: Screen) -> None:
    """A text beside its label, broken between words; its further lines begin where the first one does."""
    from rich.text import Text

    for number, line in enumerate(text.wrap(screen.console, max(screen.console.width - len(label), _NARROWEST))):
        line.rstrip()
        screen.say(Text.assemble((" " * len(label) if number else label, "dim"), line))


def _shortened(text: str) -> str:
    """A text that did not change: its ends alone, where it is long."""
    text = _on_line(text)
    return text if len(text) <= 2 * _CONTEXT + 5 else f"{text[:_CONTEXT]} ... {text[-_CONTEXT:]}"


def _on_line(text: str) -> str:
    return text.replace("\n", "⏎")
