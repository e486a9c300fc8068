"""A layout says which columns of a record play which part, and how the turns of a conversation are tagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final, Literal, get_args

from kamerton.ground.errors import DataError
from kamerton.recipe import ShapeName

__all__ = [
    "LAYOUTS",
    "OPENAI",
    "OPENAI_BY_HUMAN",
    "SHAPES",
    "SHAREGPT",
    "SHAREGPT_BY_USER",
    "Layout",
    "Shape",
    "Speaker",
    "Tags",
    "layout_for",
    "parts",
]

Shape = Literal["alpaca", "prompt_completion", "sharegpt", "messages", "text", "preference", "rated", "ranking"]
SHAPES: Final[tuple[Shape, ...]] = get_args(Shape)

Speaker = Literal["system", "user", "assistant", "tool", "call"]
"""Who speaks in a turn; `call` is an assistant's turn whose content is the JSON of tool calls."""

Names = tuple[str, ...]
_OPENAI_ROLES: Final[tuple[tuple[str, Speaker], ...]] = (
    ("system", "system"),
    ("developer", "system"),
    ("user", "user"),
    ("assistant", "assistant"),
    ("tool", "tool"),
    ("function", "tool"),
)
_SHAREGPT_ROLES: Final[tuple[tuple[str, Speaker], ...]] = (
    ("human", "user"),
    ("gpt", "assistant"),
    ("observation", "tool"),
    ("function_call", "call"),
    ("system", "system"),
)


@dataclass(frozen=True)
class Tags:
    """How a turn says who speaks and what."""

    role: str = "role"
    content: str = "content"
    speakers: tuple[tuple[str, Speaker], ...] = _OPENAI_ROLES
    """Names of roles, and who they are."""

    @cached_property
    def speaker(self) -> dict[str, Speaker]:
        return dict(self.speakers)


OPENAI: Final = Tags()
SHAREGPT: Final = Tags("from", "value", _SHAREGPT_ROLES)
SHAREGPT_BY_USER: Final = Tags("from", "value", _OPENAI_ROLES)
OPENAI_BY_HUMAN: Final = Tags("role", "content", _SHAREGPT_ROLES)


@dataclass(frozen=True)
class Layout:
    """How the columns of a record become a row.

    Each part names the columns that may hold it, the first that a record has being taken; no name means that the part
    is absent, whatever the record has. The parts are those of `kamerton.recipe.ColumnRole`.
    """

    shape: Shape
    prompt: Names = ()
    input: Names = ()
    answer: Names = ()
    system: Names = ()
    history: Names = ()
    messages: Names = ()
    tools: Names = ()
    text: Names = ()
    chosen: Names = ()
    rejected: Names = ()
    liked: Names = ()
    answers: Names = ()
    ranks: Names = ()
    category: Names = ("category",)
    group: Names = ("group",)
    task: Names = ("task",)
    time: Names = ("time",)
    augmented_from: Names = ("augmented_from",)
    tags: Tags = field(default=OPENAI)
    encoded: bool = False
    """Lists and true or false are written as texts, as in a CSV file, and this is no cause for a warning."""

    @cached_property
    def used(self) -> frozenset[str]:
        """All columns that are read."""
        return frozenset(name for part in parts() for name in getattr(self, part))

    @cached_property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """The columns that are carried over as they are: (part, column)."""
        carried = ("category", "group", "task", "time", "augmented_from")
        return tuple((part, name) for part in carried for name in getattr(self, part))

    def mapped(self, columns: Mapping[str, str]) -> Layout:
        """The layout with the parts that the recipe maps; a mapped column plays no other part."""
        taken = set(columns.values())
        found: dict[str, Any] = {
            part: tuple(name for name in getattr(self, part) if name not in taken) for part in parts()
        }
        if "messages" in columns:
            found |= {"prompt": (), "input": (), "answer": (), "history": ()}
        elif "prompt" in columns:
            found["messages"] = ()
        return replace(self, **found | {part: (name,) for part, name in columns.items()})


def parts() -> list[str]:
    """The names of all parts."""
    return [part.name for part in fields(Layout) if part.name not in ("shape", "tags", "encoded")]


_SYSTEM: Final = ("system", "system_prompt")
_TOOLS: Final = ("tools", "functions")
_TURNS: Final = ("messages", "conversations")
_SINGLE: Final[dict[str, Any]] = {
    "prompt": ("prompt", "instruction", "question"),
    "input": ("context", "input"),
    "answer": ("completion", "response", "answer", "output"),
    "system": _SYSTEM,
    "history": ("history",),
    "tools": _TOOLS,
}
LAYOUTS: Final[dict[Shape, Layout]] = {
    "alpaca": Layout(
        "alpaca",
        prompt=("instruction", "prompt", "question"),
        input=("input", "context"),
        answer=("output", "response", "completion", "answer"),
        system=_SYSTEM,
        history=("history",),
        tools=_TOOLS,
    ),
    "prompt_completion": Layout("prompt_completion", **_SINGLE),
    "sharegpt": Layout("sharegpt", messages=_TURNS[::-1], system=_SYSTEM, tools=_TOOLS, tags=SHAREGPT),
    "messages": Layout("messages", messages=_TURNS, system=_SYSTEM, tools=_TOOLS),
    "text": Layout("text", text=("text",)),
    "preference": Layout(
        "preference",
        **_SINGLE | {"answer": ()},
        messages=_TURNS,
        chosen=("chosen", "chosen_messages", "preferred_output"),
        rejected=("rejected", "rejected_messages", "non_preferred_output"),
    ),
    "rated": Layout("rated", **_SINGLE, messages=_TURNS, liked=("kto_tag", "label", "liked")),
    "ranking": Layout(
        "ranking", **_SINGLE | {"answer": ()}, messages=_TURNS, answers=("answers", "replies"), ranks=("ranks",)
    ),
}
"""The layout of each shape under its usual names."""


def layout_for(shape: ShapeName | str, columns: Mapping[str, str]) -> Layout:
    """The layout of a shape that is given, with the columns that are mapped; the others keep their usual names.

    Raises:
        DataError: no such shape or part, or `auto`, which only a record can tell (`recognise`).
    """
    known = next((name for name in SHAPES if name == shape), None)
    if known is None:
        raise DataError(f"no shape {shape!r}", where="data.shape", expected=", ".join(SHAPES))
    unknown = sorted(columns.keys() - {*parts()} | columns.keys() & {"augmented_from"})
    if unknown:
        raise DataError(f"no part {unknown[0]!r}", where="data.columns", expected=", ".join(parts()[:-1]))
    return LAYOUTS[known].mapped(columns)
