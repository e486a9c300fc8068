"""One set of rows, and how it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kamerton.recipe.base import Section

__all__ = ["ColumnRole", "ShapeName", "Source"]

ShapeName = Literal[
    "auto", "alpaca", "prompt_completion", "sharegpt", "messages", "text", "preference", "rated", "ranking"
]

ColumnRole = Literal[
    "prompt",
    "input",
    "answer",
    "system",
    "history",
    "messages",
    "tools",
    "text",
    "chosen",
    "rejected",
    "liked",
    "answers",
    "ranks",
    "category",
    "group",
    "task",
    "time",
]
"""What a column can hold; `liked` is KTO's yes or no, `answers` and `ranks` belong to a ranking."""


class Source(Section):
    """A set of rows with its own way of being read and its own weight."""

    source: str
    """A file, folder, glob, URL, hub id, `FOLDER/dataset_info.json:NAME`, or a data-set version `name@tag`."""
    shape: ShapeName = "auto"
    """Shape of the rows; `auto` recognises each file and says why."""
    columns: dict[ColumnRole, str] = {}
    """Which column of the file plays which part, where its name does not say so: `{prompt: question_pl}`."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Only the first n rows; None takes all."""
    task: str = ""
    """Task of these rows, for balance and for scores per task; empty keeps what the rows say."""
    prefix: str = ""
    """Text that is put before each prompt, so that the model can tell the tasks apart."""
    weight: Annotated[float, Field(gt=0.0, le=1000.0)] | None = None
    """How often a row of this set is seen in an epoch, on the average; None leaves it to `data.mix`."""
