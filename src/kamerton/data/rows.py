"""The canonical row: a conversation, a text or judged answers, with where it came from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

import orjson

from kamerton.chat.messages import Message
from kamerton.ground.digests import digest

__all__ = ["OBJECTIVES", "Row", "RowKind"]

RowKind = Literal["text", "conversation", "rated", "ranked"]

OBJECTIVES: Final[dict[RowKind, tuple[str, ...]]] = {
    "text": ("pretrain", "sft", "classification"),
    "conversation": ("sft", "pretrain", "classification", "grpo"),
    "rated": ("kto",),
    "ranked": ("dpo", "orpo", "simpo", "reward"),
}
"""The objectives that learn from rows of each kind, the usual one first."""


@dataclass(frozen=True)
class Row:
    """One example; exactly one of `messages` and `text` is set.

    | kind | fields |
    |---|---|
    | text | `text` |
    | conversation | `messages`, which end with the answer |
    | rated | as a conversation, and `liked` says whether the answer is wanted (KTO) |
    | ranked | `messages` end with the question; `ranked` holds two or more assistant turns, the best first |

    `file` and `line` (from 1) say where the row was read; they are no part of what it says.
    """

    messages: tuple[Message, ...] | None = None
    text: str | None = None
    category: str = ""
    group: str = ""
    file: str = ""
    line: int = 0
    ranked: tuple[Message, ...] = ()
    liked: bool | None = None
    tools: str = ""
    """Tools that the assistant may call, as a JSON array of their descriptions; empty for none."""
    task: str = ""
    time: str = ""
    """When the example came about: ISO 8601, as far as it is known."""
    augmented_from: str = ""
    """Row hash of the row that this one was made from; empty for an original."""
    source: str = ""
    """The recipe's source that the row was read from, where there are several; no part of what it says."""

    def __post_init__(self) -> None:
        assert (self.messages is None) != (self.text is None)

    @property
    def kind(self) -> RowKind:
        if self.text is not None:
            return "text"
        if self.ranked:
            return "ranked"
        return "conversation" if self.liked is None else "rated"

    @cached_property
    def row_hash(self) -> str:
        """SHA-256 of the content: where the row stands does not count, what it says does."""
        try:
            # The bytes of `canonical_json`, four times as fast: a row holds texts and truths, and no numbers.
            return digest(orjson.dumps(self.content, option=orjson.OPT_SORT_KEYS))
        except TypeError:  # half a surrogate pair
            return digest(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What the row says; fields that few rows have are there only where they are set."""
        content: dict[str, Any] = {"category": self.category, "group": self.group}
        if self.text is not None:
            content["text"] = self.text
        else:
            content["messages"] = [dict(message) for message in self.messages or ()]
        if self.ranked:
            content["ranked"] = [dict(message) for message in self.ranked]
        if self.liked is not None:
            content["liked"] = self.liked
        for name in ("tools", "task", "time", "augmented_from"):
            if value := getattr(self, name):
                content[name] = value
        return content

    def with_system(self, system: str) -> Row:
        """The row with a system turn before its turns; a text, and a row that has one already, stay as they are."""
        if self.messages is None or any(turn["role"] == "system" for turn in self.messages):
            return self
        return replace(self, messages=(Message(role="system", content=system), *self.messages))

    @property
    def conversation(self) -> list[Message]:
        """The prompt with its answer, the best one of several; empty for a text."""
        return [*self.prompt, *(self.ranked or (self.messages or ())[-1:])[:1]]

    @property
    def prompt(self) -> list[Message]:
        """The turns before the answer; empty for a text."""
        messages = self.messages or ()
        return list(messages if self.ranked else messages[:-1])

    @property
    def answer(self) -> str:
        """The last turn's content, the best answer's, or the text; tool calls stand below, one JSON object a line."""
        if self.text is not None:
            return self.text
        turn = (self.ranked or (self.messages or ())[-1:])[0]
        content = turn["content"]
        if "tool_calls" not in turn:
            return content
        called = [
            f'{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}' for call in turn["tool_calls"]
        ]
        return "\n".join([content, *called] if content else called)

    @property
    def texts(self) -> list[str]:
        """All that a person wrote: the text, or the contents of all turns and answers."""
        if self.text is not None:
            return [self.text]
        return [message["content"] for message in (*(self.messages or ()), *self.ranked)]

    @property
    def question(self) -> str:
        """What leaks and duplicates are told by: the prompt without the system turn, or the text."""
        if self.text is not None:
            return self.text
        turns = self.messages or ()
        asked = turns if self.ranked else turns[:-1]
        shown = [turn["content"] for turn in asked if turn["role"] != "system"]
        return shown[0] if len(shown) == 1 else "\n".join(shown)
