"""What a report is built of, before it becomes HTML or Markdown: plain text in one language, never markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from markupsafe import Markup

__all__ = [
    "Block",
    "Card",
    "Cell",
    "Command",
    "Example",
    "Facts",
    "Figure",
    "Fold",
    "Lineage",
    "Node",
    "Note",
    "Page",
    "ReasonLine",
    "Search",
    "Section",
    "Table",
    "Tone",
    "VerdictBox",
]

Tone = Literal["", "good", "bad", "quiet", "own"]


@dataclass(frozen=True)
class Cell:
    """A value as it is shown."""

    text: str
    notes: Sequence[str] = ()
    """Smaller lines below."""
    full: str = ""
    """The whole value where `text` is shortened."""
    tone: Tone = ""
    code: bool = False
    """A digest, a path or a name that a machine reads."""
    english: bool = False
    """The text is a sentence that the records have in English only."""
    english_notes: bool = False
    """The notes are such sentences."""


@dataclass(frozen=True)
class Table:
    """The first cell of a row is its heading."""

    kind: ClassVar[str] = "table"
    caption: str
    """Empty where the fold around it says the same."""
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    wide: bool = False
    """Cells side by side; on a narrow page each row becomes a list."""
    prose: bool = False
    """Notes are sentences and not numbers, and may be broken into lines."""


@dataclass(frozen=True)
class Facts:
    """Names with values."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Figure:
    """A chart, drawn for a wide and for a narrow page."""

    kind: ClassVar[str] = "figure"
    title: str
    wide: Markup
    narrow: Markup
    note: str = ""
    small: bool = False
    """Two of these stand side by side on a wide page."""
    legend: Sequence[tuple[str, str]] = ()
    """Style and name of what the chart itself does not name."""


@dataclass(frozen=True)
class Note:
    """A sentence."""

    kind: ClassVar[str] = "note"
    text: str
    tone: Tone = ""
    command: str = ""
    """The command that makes what is missing."""


@dataclass(frozen=True)
class Command:
    """A command to type, with what it does."""

    kind: ClassVar[str] = "command"
    text: str
    command: str


@dataclass(frozen=True)
class Node:
    """One origin of the model."""

    label: str
    name: str
    digest: str
    note: str


@dataclass(frozen=True)
class Lineage:
    """What went in, and the model that came out."""

    kind: ClassVar[str] = "lineage"
    origins: Sequence[Node]
    model: Node


@dataclass(frozen=True)
class Example:
    """One answer of the model, beside the expected one."""

    kind: ClassVar[str] = "example"
    title: str
    values: str
    prompt: str
    expected: str
    got: Sequence[tuple[str, bool]]
    """Pieces of the answer; True where the piece is not in the expected one."""
    headings: tuple[str, str, str]
    notes: Sequence[str] = ()
    open: bool = False


@dataclass(frozen=True)
class Fold:
    """Detail that is closed at first."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence[Table | Facts | Note | Command]
    searched: str = ""
    """Where the chapter's search looks through its rows: the fold's code in the records, which is found, too."""


@dataclass(frozen=True)
class Search:
    """A field that leaves of the chapter's folds only what holds the words typed; it needs `Page.script`."""

    kind: ClassVar[str] = "search"
    label: str
    nothing: str
    """What is said when nothing holds them."""


Block = Table | Facts | Figure | Note | Command | Lineage | Example | Fold | Search


@dataclass(frozen=True)
class Section:
    """A chapter of the report."""

    name: str
    title: str
    lead: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class ReasonLine:
    """One rule of the gate and what came of it."""

    head: str
    text: str
    passed: bool
    english: bool = False


@dataclass(frozen=True)
class VerdictBox:
    """The answer, first of all."""

    label: str
    word: str
    sentence: str
    tone: Tone
    reasons: Sequence[ReasonLine] = ()
    command: str = ""


@dataclass(frozen=True)
class Card:
    """One key number."""

    label: str
    value: str
    note: str
    tone: Tone = ""


@dataclass(frozen=True)
class Page:
    """A whole report in one language."""

    language: str
    title: str
    kicker: str
    subtitle: str
    verdict: VerdictBox
    warnings: Sequence[str]
    cards: Sequence[Card]
    sections: Sequence[Section]
    footer: Sequence[str]
    contents: str
    """Heading of the table of contents."""
    script: str = ""
    """The only script that the page lets run, by its hash; empty for none."""

    @property
    def script_hash(self) -> str:
        """SHA-256 in base64, as a content security policy names a script."""
        return base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
