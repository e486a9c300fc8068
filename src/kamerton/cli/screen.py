"""What the user sees: people's text on stdout, or one JSON document there and the text on stderr."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import KamertonError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Screen", "shown", "write_document"]

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen:
    """Prints for people or for machines; rich is imported at the first print."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        if self._console is None:
            from rich.console import Console

            # No markup and no emoji codes: texts come from data.
            self._console = Console(stderr=self.json, highlight=False, markup=False, emoji=False)
        return self._console

    def say(self, part: RenderableType, style: str = "") -> None:
        """A line (or a table) for people. Lines are never broken, so that hashes and answers can be copied whole."""
        text = isinstance(part, str)
        self.console.print(shown(part) if isinstance(part, str) else part, style=style, soft_wrap=text)

    def tell(self, sentence: str) -> None:
        """A sentence for people, broken between words where the terminal is too narrow for it."""
        self.console.print(shown(sentence), soft_wrap=not self.console.is_terminal)

    def document(self, value: Any) -> None:
        """The result as JSON, where `--json` asked for it."""
        if self.json:
            write_document(value)

    def refuse(self, error: KamertonError) -> None:
        """An error for people on stderr; under `--json` also as the document."""
        self.document(error.document())
        label = "interrupted" if error.exit_code == 130 else "no" if error.exit_code == 1 else "error"
        sys.stderr.write(f"{label}: {shown(str(error))}\n")


def shown(text: str) -> str:
    """The text with control characters made visible: what comes from data must not steer the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def write_document(value: Any) -> None:
    """One JSON document on stdout; letters that the stream cannot carry are escaped."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")
