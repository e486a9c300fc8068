"""The recipe that a translation writes, with the keys that each value came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kamerton.recipe.llamafactory.request import Request

__all__ = ["Draft", "Written"]


@dataclass(frozen=True)
class Written:
    """Where one value of the recipe came from."""

    keys: tuple[str, ...]
    origin: Literal["file", "flag", "derived"]
    note: str


@dataclass
class Draft:
    """A recipe in the making."""

    request: Request
    document: dict[str, Any] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)
    """By dotted key of the recipe."""
    others: dict[str, list[str]] = field(default_factory=dict)
    """By key of LLaMA-Factory: where Kamerton behaves otherwise, and why; under "" what no key speaks of."""
    notices: list[str] = field(default_factory=list)
    """What is worth saying before the run."""

    def put(self, target: str, value: Any, *keys: str, note: str = "") -> None:
        """Set a value of the recipe.

        Args:
            keys: the keys of LLaMA-Factory that it is made from; without any, `note` says why it is set.
        """
        *path, name = target.split(".")
        place = self.document
        for part in path:
            place = place.setdefault(part, {})
        place[name] = value
        self.written[target] = self._origin(keys, note)

    def otherwise(self, key: str, sentence: str) -> None:
        """Say that Kamerton behaves otherwise."""
        self.others.setdefault(key, []).append(sentence)

    def _origin(self, keys: tuple[str, ...], note: str) -> Written:
        request = self.request
        given = [key for key in keys if request.asks(key)]
        if not given:
            by_default = f"LLaMA-Factory's default ({', '.join(keys)})"
            return Written(keys, "derived", note or by_default)
        flags = [key for key in given if request.places[key] == "flag"]
        told = ", ".join(f"{request.places[key]}: {key}" for key in given)
        return Written(keys, "flag" if flags else "file", f"{told}; {note}" if note else told)
