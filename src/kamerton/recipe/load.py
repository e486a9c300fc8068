"""From YAML and `key=value` overrides to a checked recipe; every refusal names the key and the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kamerton.ground.errors import RecipeError
from kamerton.ground.files import storage_errors
from kamerton.recipe.document import read_document, read_value
from kamerton.recipe.explain import explain
from kamerton.recipe.llamafactory import Translation, is_llamafactory, part_overrides, translate
from kamerton.recipe.recipe import Recipe

__all__ = ["RecipeSource", "parse_recipe", "read_recipe"]


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
    translation: Translation | None = None
    """Where the file is LLaMA-Factory's: what became of its keys; `given` is the translated document."""

    def decided(self, document: dict[str, Any]) -> Recipe:
        """The recipe with values in it that others decided.

        Raises:
            RecipeError: they do not go with those that were given.
        """
        return _checked(document, self.file, self.lines, self.flags, self.translation)


def read_recipe(path: Path, overrides: Sequence[str] = (), *, processes: int | None = None) -> RecipeSource:
    """Read and check a recipe file, ours or LLaMA-Factory's.

    Args:
        processes: how many share the run, for a LLaMA-Factory file, which counts rows a process; None is what torchrun
            says.

    Raises:
        RecipeError: no such file, not YAML, an unknown key (with the nearest known one), a value out of bounds.
        StorageError: the file may not be read.
    """
    try:
        with storage_errors(path):
            text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError("no such recipe", where=str(path), mend="kamerton init NAME writes a first one") from error
    except IsADirectoryError as error:
        raise RecipeError("this is a folder", where=str(path), expected="a recipe file (YAML)") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"not UTF-8 at byte {error.start}", where=str(path), expected="a UTF-8 YAML file") from error
    return parse_recipe(text, overrides, file=str(path), processes=processes)


def parse_recipe(
    text: str, overrides: Sequence[str] = (), *, file: str = "recipe", processes: int | None = None
) -> RecipeSource:
    """Check a recipe's text; `overrides` are `section.key=value` with YAML values.

    The text may be LLaMA-Factory's; then `key=value` replaces its keys, and `section.key=value` those of the recipe
    that it asks for.
    """
    given, lines = read_document(text, file)
    theirs, ours = part_overrides(overrides)
    translation = None
    if is_llamafactory([*given, *(override.partition("=")[0] for override in theirs)], file):
        translation = translate(given, lines, theirs, text=text, file=file, processes=processes)
        given, lines, overrides = translation.document, translation.lines, ours
    flags = frozenset(_apply(given, override) for override in overrides)
    lines = {key: line for key, line in lines.items() if not any(f"{key}.".startswith(f"{flag}.") for flag in flags)}
    recipe = _checked(given, file, lines, flags, translation)
    return RecipeSource(recipe, given, lines, flags, file, translation)


def _checked(
    document: dict[str, Any],
    file: str,
    lines: dict[str, int],
    flags: frozenset[str],
    translation: Translation | None,
) -> Recipe:
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        fault = explain(error, document, file, lines, flags)
        raise (translation.renamed(fault) if translation else fault) from error


def _apply(given: dict[str, Any], override: str) -> str:
    """Put one `section.key=value` into the document; returns the dotted key."""
    key, sign, text = override.partition("=")
    parts = key.strip().split(".")
    if not sign or not all(parts):
        raise RecipeError("not an override", where=override, expected="section.key=value, such as training.epochs=1")
    value = read_value(text, override)
    place: Any = given
    for depth, part in enumerate(parts[:-1], start=1):
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
        if not isinstance(place, dict):
            section = ".".join(parts[:depth])
            raise RecipeError(f"{section} is a value, not a section", where=override, expected=f"{section}=...")
    place[parts[-1]] = value
    return ".".join(parts)
