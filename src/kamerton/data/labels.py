"""Rows as questions with one of a few labels for an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError

__all__ = ["LabelPlace", "asked", "label_of_row", "labelled"]

LabelPlace = Literal["answer", "category"]
"""Where a row's label stands (`training.objective.label`)."""


def asked(row: Row) -> list[Message]:
    """The turns that the label answers; a text stands as a user's turn."""
    return [{"role": "user", "content": row.text}] if row.text is not None else row.prompt


def label_of_row(row: Row, place: LabelPlace) -> str:
    """A row's label, without surrounding space.

    Raises:
        DataError: it has none.
    """
    label = row.category if place == "category" else "" if row.text is not None else row.answer
    if not label.strip():
        other = "answer" if place == "category" else "category"
        raise DataError(
            f"the row has no label: its {place} is empty",
            where=f"{row.file}:{row.line}" if row.file else "",
            mend=f"map the column that holds it (data.columns), or set training.objective.label={other}",
        )
    return label.strip()


def labelled(row: Row, place: LabelPlace) -> Row:
    """The row as a conversation that ends with its label."""
    answer: Message = {"role": "assistant", "content": label_of_row(row, place)}
    return replace(row, text=None, messages=(*asked(row), answer), ranked=(), liked=None)
