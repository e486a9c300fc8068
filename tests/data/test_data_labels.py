"""Rows as questions with one of a few labels."""

from __future__ import annotations

import pytest

from kamerton.chat.messages import Message
from kamerton.data.labels import asked, label_of_row, labelled
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError

ASKED: Message = {"role": "user", "content": "Pytanie?"}
TALK = Row(messages=(ASKED, {"role": "assistant", "content": " tak "}), category="k", file="a.jsonl", line=2)
TEXT = Row(text="Zdanie.", category="x", file="a.jsonl", line=3)


def test_a_label_stands_in_the_answer_or_the_category() -> None:
    assert label_of_row(TALK, "answer") == "tak"
    assert label_of_row(TALK, "category") == "k"
    assert label_of_row(TEXT, "category") == "x"


@pytest.mark.parametrize("row", [TEXT, Row(messages=(ASKED, {"role": "assistant", "content": " "}))])
def test_a_row_without_a_label_is_told(row: Row) -> None:
    with pytest.raises(DataError, match="no label: its answer is empty") as caught:
        label_of_row(row, "answer")
    assert caught.value.where == ("a.jsonl:3" if row is TEXT else "")


def test_a_text_stands_as_a_question() -> None:
    assert asked(TEXT) == [{"role": "user", "content": "Zdanie."}]
    assert asked(TALK) == [ASKED]
    made = labelled(TEXT, "category")
    assert made.kind == "conversation"
    assert [turn["content"] for turn in made.messages or ()] == ["Zdanie.", "x"]
    assert (made.file, made.line, made.category) == ("a.jsonl", 3, "x")
