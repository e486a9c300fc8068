"""A row's hash is the digest of the canonical JSON of what it says, by whichever way it is computed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.chat.messages import Message
from kamerton.data import Row
from kamerton.ground.digests import digest

texts = st.text(alphabet=st.characters(exclude_categories=()), max_size=40)


@given(texts, texts, texts, st.booleans())
def test_the_hash_is_that_of_the_canonical_json(question: str, answer: str, category: str, liked: bool) -> None:
    messages: tuple[Message, ...] = (
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer, "tool_calls": [{"name": category, "arguments": "{}"}]},
    )
    for row in (Row(messages, category=category, liked=liked), Row(text=answer, task=category)):
        assert row.row_hash == digest(row.content)


def test_an_ordinary_row_has_the_hash_that_it_always_had() -> None:
    row = Row(({"role": "user", "content": "Co?"}, {"role": "assistant", "content": "To."}), category="a")
    assert row.row_hash == digest(
        '{"category":"a","group":"","messages":[{"content":"Co?","role":"user"},{"content":"To.","role":"assistant"}]}'
    )


@pytest.mark.parametrize("field", ["file", "source"])
def test_where_a_row_stands_is_no_part_of_it(field: str) -> None:
    row = Row(text="To samo.", file="a", line=1)
    assert replace(row, **{field: "other"}, line=7).row_hash == row.row_hash


@pytest.mark.parametrize("field", ["category", "group", "task", "time", "augmented_from"])
def test_what_a_row_says_is_part_of_it(field: str) -> None:
    row = Row(text="To samo.")
    assert replace(row, **{field: "other"}).row_hash != row.row_hash


def test_a_system_turn_is_given_to_those_that_have_none() -> None:
    asked: tuple[Message, ...] = ({"role": "user", "content": "Co?"}, {"role": "assistant", "content": "To."})
    system = Message(role="system", content="S")
    assert Row(messages=asked).with_system("S").messages == (system, *asked)
    rated = Row(messages=asked, liked=False).with_system("S")
    assert (rated.kind, rated.messages) == ("rated", (system, *asked))
    ranked = Row(messages=asked[:1], ranked=asked[1:] * 2).with_system("S")
    assert (ranked.messages, ranked.ranked) == ((system, asked[0]), asked[1:] * 2)
    for row in (Row(text="To."), Row(messages=(Message(role="system", content=""), *asked))):
        assert row.with_system("S") is row
