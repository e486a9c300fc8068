"""What the user sees: people's text on stdout, or one JSON document there and the text on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import KamertonError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Screen"]


class Screen:
    """Prints for people or for machines; rich is imported at the first print."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=self.json, highlight=False, soft_wrap=False)
        return self._console

    def say(self, *parts: RenderableType, style: str = "") -> None:
        """A line (or a table) for people; rich markup is off, because texts come from data."""
        self.console.print(*parts, style=style, markup=False)

    def document(self, value: Any) -> None:
        """The result as JSON, where `--json` asked for it."""
        if self.json:
            import json

            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    def refuse(self, error: KamertonError) -> None:
        """An error for people on stderr; under `--json` also as the document."""
        self.document(error.document())
        label = "interrupted" if error.exit_code == 130 else "no" if error.exit_code == 1 else "error"
        sys.stderr.write(f"{label}: {error}\n")
