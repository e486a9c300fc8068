"""A chat format that renders a text once: rows are counted by their tokens, and then learned from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from kamerton.chat.format import ChatFormat, Tokens
from kamerton.chat.messages import Message

__all__ = ["RememberedFormat"]


class RememberedFormat(ChatFormat):
    """What was rendered first is remembered; it is a function of what is rendered alone."""

    def __init__(self, chat: ChatFormat, most: int) -> None:
        """
        Args:
            most: texts and conversations that are remembered.
        """
        super().__init__(chat.tokenizer, chat.encoder, chat.source, chat.end_id)
        self._most = most
        self._known: dict[str, Tokens] = {}

    def text(self, text: str) -> Tokens:
        return self._once(f"text {text}", lambda: super(RememberedFormat, self).text(text))

    def conversation(self, messages: Sequence[Message], *, tools: str = "", last_only: bool = False) -> Tokens:
        return self._once(
            json.dumps([messages, tools, last_only]),
            lambda: super(RememberedFormat, self).conversation(messages, tools=tools, last_only=last_only),
        )

    def _once(self, name: str, render: Callable[[], Tokens]) -> Tokens:
        found = self._known.get(name)
        if found is None:
            found = render()
            if len(self._known) < self._most:
                self._known[name] = found
        return found
