"""The shape of a record, told from the names of its columns and its first turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from kamerton.data.shapes.faults import listed, misspelt
from kamerton.data.shapes.layout import (
    OPENAI,
    OPENAI_BY_HUMAN,
    SHAREGPT,
    SHAREGPT_BY_USER,
    Layout,
    Shape,
    Tags,
    layout_for,
)
from kamerton.data.shapes.prompts import first
from kamerton.data.shapes.turns import TURN_KEYS
from kamerton.ground.errors import DataError

__all__ = ["recognise", "unused_columns"]

Record = Mapping[str, Any]

_PROMPTS: Final[tuple[tuple[str, Shape], ...]] = (
    ("instruction", "alpaca"),
    ("prompt", "prompt_completion"),
    ("question", "prompt_completion"),
)
_ANSWERS: Final = ("output", "completion", "response", "answer")
_PAIRS: Final = (
    ("chosen", "rejected"),
    ("chosen_messages", "rejected_messages"),
    ("preferred_output", "non_preferred_output"),
)
_TURNS: Final[tuple[tuple[str, Shape], ...]] = (("messages", "messages"), ("conversations", "sharegpt"))
_KNOWN: Final = (*(name for name, _ in (*_TURNS, *_PROMPTS)), *_ANSWERS, *_PAIRS[0], "text")
_YES_NO: Final = ("true", "false", "yes", "no", "0", "1")
_STANDS_FOR: Final = {"answer": "completion", "liked": "kto_tag"}
"""The usual column of a part, where it is not called as the part is."""


def recognise(record: Record, columns: Mapping[str, str] | None = None) -> tuple[Layout, str]:
    """The layout of a record, and the reason as the user is told it.

    Args:
        columns: parts that the recipe maps to columns (`kamerton.recipe.ColumnRole`).

    Raises:
        DataError: no shape has these columns, or no such part.
    """
    mapped = dict(columns or {})
    own = {_STANDS_FOR.get(part, part): column for part, column in mapped.items()}
    seen = {name: value for name, value in record.items() if name not in mapped.values()}
    seen |= {name: record[column] for name, column in own.items() if column in record}
    filled = {name for name, value in seen.items() if value is not None}
    found = _shape(seen, filled, ranking="answers" in mapped) or _shape(seen, set(seen), ranking="answers" in mapped)
    if found is None:
        raise DataError(
            f"no shape has the columns {listed(record)}{misspelt(record, _KNOWN)}",
            expected="instruction+output, prompt+completion, question+answer, conversations, messages, "
            "chosen+rejected, answers+ranks, or text",
            mend="rename the columns, for example to instruction and output, or map them: --columns prompt=COLUMN "
            "--columns answer=COLUMN, in a recipe data.columns={prompt: COLUMN, answer: COLUMN}",
        )
    shape, names = found
    layout = layout_for(shape, mapped)
    tags, encoded = _dialect(record, layout)
    *others, last = [own.get(name, name) for name in names]
    reason = f"columns {', '.join(others)} and {last}" if others else f"column {last}"
    if tags != layout.tags:
        speakers = [name for name, who in tags.speakers if who in ("user", "assistant")]
        reason += f", turns with {tags.role} and {tags.content} of {' and '.join(speakers)}"
    return replace(layout, tags=tags, encoded=encoded), reason + (", written as text" if encoded else "")


def unused_columns(record: Record, layout: Layout) -> set[str]:
    """The columns of a record, and the keys of its turns (`messages[].date`), that its layout does not read."""
    unused = {str(name) for name, value in record.items() if name not in layout.used and value is not None}
    for name in (*layout.messages, *layout.chosen, *layout.rejected):
        turns = record.get(name)
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, Mapping) and not turn.keys() <= TURN_KEYS:
                unused |= {
                    f"{name}[].{key}" for key, value in turn.items() if key not in TURN_KEYS and value is not None
                }
    for name in layout.input:
        if isinstance(given := record.get(name), Mapping):
            unused |= {f"{name}.{key}" for key in given.keys() - {"messages", "tools"}}
    return unused


def _shape(record: Record, names: set[str], *, ranking: bool) -> tuple[Shape, tuple[str, ...]] | None:
    """A shape, and the columns that tell it."""
    for pair in _PAIRS:
        if names.issuperset(pair):
            return "preference", pair
    if "answers" in names and (ranking or "ranks" in names):
        return "ranking", ("answers", "ranks") if "ranks" in names else ("answers",)
    liked = tuple(name for name in ("kto_tag", "liked", "label") if name in names and _is_verdict(name, record[name]))[
        :1
    ]
    found: tuple[Shape, tuple[str, ...]] | None = None
    for column, shape in _TURNS:
        if column in names:
            found = found or (shape, (column,))
    for prompt, shape in _PROMPTS:
        for answer in _ANSWERS:
            if prompt in names and answer in names:
                found = found or (shape, (prompt, answer))
    if found and liked:
        return "rated", found[1] + liked
    if not found and "text" in names:
        return "text", ("text",)
    return found


def _is_verdict(column: str, value: Any) -> bool:
    """Whether a column rates the answer; `label` may as well be a class, and then it is not yes or no."""
    return column != "label" or value in (0, 1) or (isinstance(value, str) and value.strip().lower() in _YES_NO)


def _dialect(record: Record, layout: Layout) -> tuple[Tags, bool]:
    """How the turns of a record are tagged, and whether its lists, and true or false, are texts."""
    liked = first(record, layout.liked)[1]
    encoded = isinstance(liked, str) and liked.strip().lower() in ("true", "false")
    turns: Any = None
    for name in (*layout.messages, *layout.history, *layout.answers, *layout.ranks, *layout.chosen, *layout.prompt):
        value = record.get(name)
        if isinstance(value, str) and value.lstrip()[:1] == "[" and name not in layout.chosen + layout.prompt:
            value = _json_list(value)
            encoded = encoded or value is not None
        turns = turns or ([value] if isinstance(value, Mapping) else value if isinstance(value, list) else None)
    said = [turn for turn in turns or () if isinstance(turn, Mapping)]
    key = next((key for turn in said for key in ("role", "from") if key in turn), "")
    if not key:
        return layout.tags, encoded
    roles = {str(turn.get(key)) for turn in said}
    usual, other = (OPENAI, OPENAI_BY_HUMAN) if key == "role" else (SHAREGPT, SHAREGPT_BY_USER)
    return (other if not roles <= usual.speaker.keys() and roles <= other.speaker.keys() else usual), encoded


def _json_list(text: str) -> list[Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None
