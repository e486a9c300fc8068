"""What a LLaMA-Factory file asks for: its keys with their values, checked one by one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kamerton.ground.errors import RecipeError
from kamerton.recipe.llamafactory.fates import Key, Kind, Refused
from kamerton.recipe.llamafactory.keys import KEYS, OLD_NAMES

__all__ = ["Request", "read_request"]

_WORDS: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""What is a truth value in LLaMA-Factory's YAML 1.1."""
_TYPES: Final[dict[Kind, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": "a text",
    "names": "names with commas between them",
}


@dataclass
class Request:
    """The keys of a file, and all defaults of LLaMA-Factory beside them."""

    file: str
    given: dict[str, Any]
    """What the file and the flags say, in their order, by the names of today."""
    places: dict[str, str]
    """`line 9`, or `flag`, by key."""
    values: dict[str, Any] = field(default_factory=dict)
    """The value of each key that LLaMA-Factory knows; null is its default."""
    faults: list[str] = field(default_factory=list)

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def asks(self, key: str) -> bool:
        """Whether the key is given, and not as null."""
        return self.given.get(key) is not None

    def refuse(self, key: str, why: str, way: str = "") -> None:
        """Note that a key cannot be done; all of them are told together."""
        place, shown = self.places.get(key), self.given.get(key, self.values.get(key))
        what = f"{place}: {key}" if place else key
        self.faults.append(f"{what}: {_shown(shown)}: {why}" + (f"; the nearest way: {way}" if way else ""))

    def raise_faults(self) -> None:
        """
        Raises:
            RecipeError: at least one key cannot be done; each is named with the nearest way.
        """
        if self.faults:
            raise RecipeError(
                "\n    ".join(dict.fromkeys(self.faults)),
                where=self.file,
                expected="a LLaMA-Factory file that Kamerton can do",
                mend="docs/llamafactory.md lists every key and what becomes of it",
            )


def read_request(given: Mapping[str, Any], places: Mapping[str, str], file: str) -> Request:
    """The keys of a file with their types checked.

    Raises:
        RecipeError: an unknown key (with the nearest known one), one given twice, or a value of another type.
    """
    request = Request(file, {}, {})
    for name, value in given.items():
        key = OLD_NAMES.get(name, name)
        if key in request.given:
            request.faults.append(f"{places[name]}: {name}: the older name of {key}, which is given too")
            continue
        request.given[key], request.places[key] = value, places[name]
        if key not in KEYS:
            near = difflib.get_close_matches(key, [*KEYS, *OLD_NAMES], 1)
            hint = f", did you mean {near[0]}?" if near else ""
            request.faults.append(f"{places[name]}: {name}: LLaMA-Factory has no such key{hint}")
    for key, about in KEYS.items():
        request.values[key] = _value(request, key, about)
    for key in request.given:
        fate = KEYS[key].fate if key in KEYS else None
        if isinstance(fate, Refused) and _asks_for_it(request[key], KEYS[key]):
            request.refuse(key, fate.why, fate.way)
    return request


def _value(request: Request, key: str, about: Key) -> Any:
    given = request.given.get(key)
    if given is None:
        return _names(about.default) if about.kind == "names" else about.default
    try:
        return _read(given, about.kind)
    except ValueError:
        request.refuse(key, f"must be {_TYPES[about.kind]}")
        return about.default


def _read(given: Any, kind: Kind) -> Any:
    """A value as LLaMA-Factory would take it.

    Raises:
        ValueError: it is of another type.
    """
    if kind == "any":
        return given
    if kind == "names":
        return _names(given)
    if kind == "bool":
        if isinstance(given, str) and given.lower() in _WORDS:
            return _WORDS[given.lower()]
        if isinstance(given, bool):
            return given
        raise ValueError
    if kind == "text":
        if isinstance(given, str):
            return given
        if isinstance(given, bool):
            return str(given).lower()
        if isinstance(given, int | float):
            return str(given)
        raise ValueError
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise ValueError
    if kind == "float":
        return float(given)
    if given != int(given):
        raise ValueError
    return int(given)


def _names(given: Any) -> list[str]:
    if given is None:
        return []
    parts = given if isinstance(given, list) else str(given).split(",") if isinstance(given, str | int) else None
    if parts is None or not all(isinstance(part, str | int) for part in parts):
        raise ValueError
    return [str(part).strip() for part in parts if str(part).strip()]


def _asks_for_it(value: Any, about: Key) -> bool:
    default = _names(about.default) if about.kind == "names" else about.default
    nothing = value in ("", []) or (about.default is None and value is False)
    return value != default and value is not None and not nothing


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
