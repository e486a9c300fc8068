"""What is wrong with a recipe, in sentences: the key, its line or flag, what was expected, the nearest known key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from kamerton.ground.errors import RecipeError
from kamerton.recipe.recipe import Recipe

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["explain"]


def explain(
    error: ValidationError, given: dict[str, Any], file: str, lines: Mapping[str, int], flags: frozenset[str]
) -> RecipeError:
    """One sentence for each fault that pydantic found in the document `given`."""
    sentences = []
    for fault in error.errors(include_url=False):
        key, sentence = _sentence(fault, given)
        place = _place(key or _first_key(sentence, lines, flags), lines, flags)
        sentences.append(f"{place}{f'{key}: ' if key else ''}{sentence}")
    return RecipeError(
        "\n    ".join(dict.fromkeys(sentences)),
        where=file,
        mend="kamerton check RECIPE --explain lists every key; kamerton schema prints their types",
    )


def _sentence(fault: ErrorDetails, given: dict[str, Any]) -> tuple[str, str]:
    """The dotted key of a fault, and what is wrong with it."""
    path = _path(fault, given)
    kind, shown = fault["type"], fault["input"]
    got = f" (got {shown!r})" if isinstance(shown, str | int | float | bool) else ""
    if kind == "extra_forbidden":
        sentence = f"unknown key{_nearest(fault['loc'])}"
    elif kind == "missing":
        sentence = "missing"
    elif kind == "union_tag_invalid":
        path.append(fault["ctx"]["discriminator"].strip("'"))
        sentence = _not_known(fault["ctx"]["tag"], fault["ctx"]["expected_tags"].replace("', '", "' or '"))
    elif kind == "literal_error":
        sentence = _not_known(shown, fault["ctx"]["expected"])
    elif shown is None:
        sentence = "empty; give it a value, or leave the key out"
    elif kind in {"model_type", "model_attributes_type", "dict_type"}:
        sentence = f"must be a section with keys under it{got}"
    else:
        hint = "; put it in quotes" if kind == "string_type" and got else ""
        sentence = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be") + got + hint
    return ".".join(path), sentence


def _not_known(shown: Any, expected: str) -> str:
    return f"{shown!r} is not known here; expected {expected.replace(chr(39), '')}"


def _path(fault: ErrorDetails, given: Any) -> list[str]:
    """The keys down to a fault, without the names that pydantic puts in for the branches of a union."""
    path: list[str] = []
    for part in fault["loc"]:
        inside = part in given if isinstance(given, dict) else isinstance(given, list) and part in range(len(given))
        if inside:
            path.append(str(part))
            given = given[part]
    return [*path, str(fault["loc"][-1])] if fault["type"] == "missing" else path


def _place(key: str, lines: Mapping[str, int], flags: frozenset[str]) -> str:
    """The flag or the line of a key or, where it has none, of the section around it."""
    while key:
        if key in flags or (key not in lines and any(flag.startswith(f"{key}.") for flag in flags)):
            return "flag "
        if key in lines:
            return f"line {lines[key]}: "
        key = key.rpartition(".")[0]
    return ""


def _first_key(sentence: str, lines: Mapping[str, int], flags: frozenset[str]) -> str:
    """The first key that a rule across sections names and the user gave."""
    words = re.findall(r"[a-z_]+(?:\.[a-z_]+)*", sentence)
    return next((word for word in words if word in flags or word in lines), "")


def _nearest(loc: tuple[int | str, ...]) -> str:
    """The nearest known key in the same section, or in another one."""
    name = str(loc[-1])
    sections: list[type[BaseModel]] = [Recipe]
    branches = sections
    for part in loc[:-1]:
        below = [model for section in sections for model in _models_of(section, str(part))]
        if below:
            sections = branches = below
        else:
            sections = [section for section in sections if _kind(section) == part] or sections
    owner = next((_kind(branch) for branch in branches if name in branch.model_fields), None)
    if owner is not None:
        return f"; it belongs to kind: {owner}"
    fields = list(sections[0].model_fields)
    near = difflib.get_close_matches(name, fields, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    elsewhere = [dotted for dotted in _all_keys(Recipe, ()) if dotted.split(".")[-1] == name]
    if elsewhere:
        return f", did you mean {elsewhere[0]}?"
    return f"; known here: {', '.join(fields)}"


def _kind(section: type[BaseModel]) -> str | None:
    """The `kind` that chooses this section among its alternatives."""
    kind = section.model_fields.get("kind")
    return str(get_args(kind.annotation)[0]) if kind is not None else None


def _models_of(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    info = model.model_fields.get(name)
    return list(_models_in(info.annotation)) if info is not None else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _all_keys(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    for name in model.model_fields:
        yield ".".join((*path, name))
        for part in _models_of(model, name):
            yield from _all_keys(part, (*path, name))
