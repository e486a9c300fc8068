"""The canonical row: a conversation or a text, with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from kamerton.chat.messages import Message
from kamerton.ground.digests import digest

__all__ = ["Row"]


@dataclass(frozen=True)
class Row:
    """One example; exactly one of `messages` and `text` is set.

    `category` and `group` come from columns of those names; `file` and `line` (from 1) say where the row was read.
    """

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    category: str = ""
    group: str = ""
    file: str = ""
    line: int = 0

    def __post_init__(self) -> None:
        assert (self.messages is None) != (self.text is None)

    @cached_property
    def row_hash(self) -> str:
        """SHA-256 of the content: where the row stands does not count, what it says does."""
        content = {"category": self.category, "group": self.group}
        if self.text is not None:
            return digest(content | {"text": self.text})
        return digest(content | {"messages": [dict(message) for message in self.messages or ()]})

    @property
    def prompt(self) -> list[Message]:
        """The turns before the last answer; empty for a text."""
        return list(self.messages[:-1]) if self.messages else []

    @property
    def answer(self) -> str:
        """The last turn's content, or the text."""
        return self.text if self.text is not None else (self.messages or ())[-1]["content"]
