"""A format that remembers says what the plain one says, and renders once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.chat import ChatFormat, Message
from kamerton.chat.remembered import RememberedFormat
from kamerton.models.tokenizer import chat_format, load_tokenizer

QUESTION: Message = {"role": "user", "content": "Gdzie złożę wniosek?"}
FIRST: Message = {"role": "assistant", "content": "W pokoju 12."}
SECOND: Message = {"role": "assistant", "content": "W pokoju 14."}


@pytest.fixture
def plain(tiny_base: Path) -> ChatFormat:
    return chat_format(load_tokenizer(tiny_base), "tokenizer")


def test_it_says_what_the_plain_format_says(plain: ChatFormat) -> None:
    remembered = RememberedFormat(plain, 10)
    turns = [QUESTION, FIRST, QUESTION, SECOND]
    for _ in range(2):
        assert remembered.text("dom i kot") == plain.text("dom i kot")
        assert remembered.conversation([QUESTION, FIRST]) == plain.conversation([QUESTION, FIRST])
        assert remembered.conversation([QUESTION, SECOND]) == plain.conversation([QUESTION, SECOND])
        assert remembered.conversation(turns) == plain.conversation(turns)
        assert remembered.conversation(turns, last_only=True) == plain.conversation(turns, last_only=True)
        untrained: list[Message] = [QUESTION, {**FIRST, "trained": False}, QUESTION, SECOND]
        assert remembered.conversation(untrained) == plain.conversation(untrained)
    assert (remembered.digest, remembered.end_id) == (plain.digest, plain.end_id)


def test_it_renders_once_as_many_as_it_was_told(plain: ChatFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = RememberedFormat(plain, 2)
    rendered = []
    render = ChatFormat.conversation
    monkeypatch.setattr(
        ChatFormat, "conversation", lambda *given, **named: rendered.append(given[1]) or render(*given, **named)
    )
    for _ in range(3):
        for answer in (FIRST, SECOND, QUESTION | {"role": "assistant"}):
            remembered.conversation([QUESTION, answer])
    assert len(rendered) == 2 + 3
