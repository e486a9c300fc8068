"""One frozen recipe with every value decided, and for each value where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kamerton.ground.digests import digest
from kamerton.recipe.load import RecipeSource
from kamerton.recipe.method import LoraMethod
from kamerton.recipe.recipe import Recipe

__all__ = ["Origin", "ResolvedRecipe", "Value", "json_schema", "resolve"]

Origin = Literal["file", "flag", "default", "derived"]


@dataclass(frozen=True)
class Value:
    """One value of a resolved recipe."""

    key: str
    value: Any
    origin: Origin
    note: str
    """The line in the file, or how a derived value came about."""


@dataclass(frozen=True)
class ResolvedRecipe:
    """A recipe in which nothing is left to decide."""

    recipe: Recipe
    values: tuple[Value, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical recipe."""
        return digest(self.recipe.model_dump(mode="json"))


def resolve(source: RecipeSource, machine_threads: int) -> ResolvedRecipe:
    """Decide what the user left open.

    Args:
        source: a checked recipe.
        machine_threads: physical cores of this machine, for `training.threads`.
    """
    derived = _derive(source.recipe, machine_threads)
    document = source.recipe.model_dump(mode="json")
    for key, (value, _) in derived.items():
        section, _, name = key.partition(".")
        document[section][name] = value
    recipe = Recipe.model_validate(document)
    values = tuple(_trace(path, value, source, derived) for path, value in _leaves(recipe.model_dump(mode="json"), ()))
    return ResolvedRecipe(recipe, values)


def _derive(recipe: Recipe, machine_threads: int) -> dict[str, tuple[Any, str]]:
    derived: dict[str, tuple[Any, str]] = {}
    lora = isinstance(recipe.method, LoraMethod)
    if isinstance(recipe.method, LoraMethod) and recipe.method.alpha is None:
        derived["method.alpha"] = (2.0 * recipe.method.rank, "2 x method.rank")
    if recipe.training.learning_rate is None:
        derived["training.learning_rate"] = (2e-4 if lora else 2e-5, f"usual for {recipe.method.kind}")
    if recipe.training.threads is None:
        derived["training.threads"] = (machine_threads, "physical cores of this machine")
    if recipe.tracking.experiment is None:
        derived["tracking.experiment"] = (recipe.name, "name")
    return derived


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, part in value.items() for leaf in _leaves(part, (*path, key))]
    return [(path, value)]


def _trace(path: tuple[str, ...], value: Any, source: RecipeSource, derived: dict[str, tuple[Any, str]]) -> Value:
    key = ".".join(path)
    if key in derived:
        return Value(key, value, "derived", derived[key][1])
    if not _given(source.given, path):
        return Value(key, value, "default", "")
    around = [".".join(path[:depth]) for depth in range(len(path), 0, -1)]
    flag = next((each for each in around if each in source.flags), None)
    if flag is not None:
        return Value(key, value, "flag", flag)
    line = next((source.lines[each] for each in around if each in source.lines), None)
    return Value(key, value, "file", f"line {line}" if line else "")


def _given(document: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def json_schema() -> dict[str, Any]:
    """The recipe's JSON schema, for editors."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Kamerton recipe"} | {
        key: value for key, value in schema.items() if key != "title"
    }
