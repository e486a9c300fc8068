"""The three fates of a LLaMA-Factory key: it becomes something here, it needs nothing here, or it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["Became", "Equal", "Fate", "Key", "Kind", "Refused", "became", "equal", "off_with", "refused"]

Kind = Literal["bool", "int", "float", "text", "names", "any"]
"""Type of a key; `names` is a text with commas, as LLaMA-Factory splits it, or a list."""


@dataclass(frozen=True)
class Became:
    """The key sets values of the recipe."""

    target: str
    """Dotted key of the recipe; what is more than a plain copy is done by the mapping."""
    how: str = ""
    copied: bool = True
    """The value is taken over as it is; otherwise the mapping makes it, alone or from several keys."""
    scope: str = ""
    """Where it has an effect, such as `finetuning_type: lora`; empty is everywhere."""


@dataclass(frozen=True)
class Equal:
    """The key changes nothing here, whatever its value."""

    why: str


@dataclass(frozen=True)
class Refused:
    """What the key asks for is not done; its default asks for nothing and passes."""

    why: str
    way: str
    """The nearest way."""


Fate = Became | Equal | Refused


@dataclass(frozen=True)
class Key:
    """One key as LLaMA-Factory 0.9.5 has it."""

    kind: Kind
    default: Any
    fate: Fate


_KINDS: Final[dict[type, Kind]] = {bool: "bool", int: "int", float: "float", str: "text"}


def _key(default: Any, kind: Kind | None, fate: Fate) -> Key:
    return Key(kind or _KINDS.get(type(default), "any"), default, fate)


def became(default: Any, target: str, how: str = "", *, kind: Kind | None = None, scope: str = "") -> Key:
    """A key that is copied to `target`, or, where `how` is given, made into it by the mapping."""
    return _key(default, kind, Became(target, how, not how, scope))


def equal(default: Any, why: str, *, kind: Kind | None = None) -> Key:
    """A key without an effect here."""
    return _key(default, kind, Equal(why))


def refused(default: Any, why: str, way: str, *, kind: Kind | None = None) -> Key:
    """A key whose default alone passes."""
    return _key(default, kind, Refused(why, way))


def off_with(switch: str, **defaults: Any) -> dict[str, Key]:
    """Settings of something that is refused by its own switch: without it they have no effect there either."""
    return {
        name: equal(value, f"has an effect with {switch} only, which is not done here")
        for name, value in defaults.items()
    }
