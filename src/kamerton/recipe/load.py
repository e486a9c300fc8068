"""From YAML and `key=value` overrides to a checked recipe; every refusal names the key and the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kamerton.ground.errors import RecipeError
from kamerton.recipe.recipe import Recipe

__all__ = ["RecipeSource", "parse_recipe", "read_recipe"]

_TAGS = {"full", "lora"}
"""Tags that pydantic puts into the path of a discriminated union; no key has such a name."""


@dataclass(frozen=True)
class RecipeSource:
    """A recipe as it was written: the checked document and where each given value stands."""

    recipe: Recipe
    given: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)
    """Line in the file by dotted key, from 1."""
    flags: frozenset[str] = frozenset()
    """Dotted keys that an override set."""
    file: str = ""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its traps: duplicate keys are refused, `1e-4` is a number."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in seen:
            raise RecipeError(f"the key {key!r} is given twice", where=f"line {seen[key]} and line {line}")
        seen[key] = line
    return dict(loader.construct_mapping(node, deep=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)$"),
    list("-+0123456789."),
)


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> RecipeSource:
    """Read and check a recipe file.

    Raises:
        RecipeError: no such file, not YAML, an unknown key (with the nearest known one), a value out of bounds.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError("no such recipe", where=str(path), mend="kamerton init NAME writes a first one") from error
    except IsADirectoryError as error:
        raise RecipeError("this is a folder", where=str(path), expected="a recipe file (YAML)") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"not UTF-8 at byte {error.start}", where=str(path), expected="a UTF-8 YAML file") from error
    return parse_recipe(text, overrides, file=str(path))


def parse_recipe(text: str, overrides: Sequence[str] = (), *, file: str = "recipe") -> RecipeSource:
    """Check a recipe's text; `overrides` are `section.key=value` with YAML values."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        given = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise RecipeError(f"not YAML: {getattr(error, 'problem', error)}", where=where) from error
    except RecipeError as error:
        raise RecipeError(error.what, where=f"{file}, {error.where}") from error
    finally:
        loader.dispose()
    if not isinstance(given, dict):
        raise RecipeError("the recipe is empty or not a mapping", where=file, expected="model:, data:, ... at the top")
    lines = dict(_lines(node, ()))
    flags = frozenset(_apply(given, override) for override in overrides)
    try:
        recipe = Recipe.model_validate(given)
    except ValidationError as error:
        raise _explain(error, file, lines, flags) from error
    return RecipeSource(recipe, given, lines, flags, file)


def _lines(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            here = (*path, str(key_node.value))
            yield ".".join(here), key_node.start_mark.line + 1
            yield from _lines(value_node, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _lines(item, (*path, str(index)))


def _apply(given: dict[str, Any], override: str) -> str:
    """Put one `section.key=value` into the document; returns the dotted key."""
    key, sign, text = override.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise RecipeError("not an override", where=override, expected="section.key=value, such as training.epochs=1")
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError("the value is not YAML", where=override) from error
    place: Any = given
    for part in parts[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise RecipeError(f"{part} is a value, not a section", where=override)
    place[parts[-1]] = value
    return ".".join(parts)


def _explain(error: ValidationError, file: str, lines: dict[str, int], flags: frozenset[str]) -> RecipeError:
    """One sentence a fault, each with its line or flag."""
    sentences = []
    for fault in error.errors(include_url=False):
        path = [str(part) for part in fault["loc"] if part not in _TAGS]
        key = ".".join(path)
        place = _place(key, lines, flags)
        if fault["type"] == "extra_forbidden":
            sentence = f"{key}: unknown key{_nearest(path)}"
        elif fault["type"] == "missing":
            sentence = f"{key}: missing"
        else:
            message = fault["msg"].removeprefix("Value error, ")
            shown = fault.get("input")
            value = f" (got {shown!r})" if isinstance(shown, str | int | float | bool) else ""
            sentence = f"{key + ': ' if key else ''}{message}{value}"
        sentences.append(f"{place}{sentence}")
    return RecipeError(
        "\n    ".join(sentences),
        where=file,
        mend="kamerton check RECIPE --explain lists every key; kamerton schema prints their types",
    )


def _place(key: str, lines: dict[str, int], flags: frozenset[str]) -> str:
    if key in flags:
        return "flag "
    while key:
        if key in lines:
            return f"line {lines[key]}: "
        key = key.rpartition(".")[0]
    return ""


def _nearest(path: list[str]) -> str:
    """The nearest known key in the same section, or in another one."""
    fields = list(_section_fields(Recipe, path[:-1]))
    near = difflib.get_close_matches(path[-1], fields, n=1, cutoff=0.6)
    if near:
        return f", did you mean {near[0]}?"
    elsewhere = [dotted for dotted in _all_keys(Recipe, ()) if dotted.split(".")[-1] == path[-1]]
    if elsewhere:
        return f", did you mean {elsewhere[0]}?"
    return f"; known here: {', '.join(fields)}" if fields else ""


def _section_fields(model: type[BaseModel], path: list[str]) -> Iterator[str]:
    if not path:
        yield from model.model_fields
        return
    for part in _models_of(model, path[0]):
        yield from _section_fields(part, path[1:])


def _models_of(model: type[BaseModel], name: str) -> list[type[BaseModel]]:
    info = model.model_fields.get(name)
    return list(_models_in(info.annotation)) if info is not None else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)


def _all_keys(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    for name in model.model_fields:
        yield ".".join((*path, name))
        for part in _models_of(model, name):
            yield from _all_keys(part, (*path, name))
