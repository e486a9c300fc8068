"""One frozen recipe with every value decided, and for each value where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kamerton.ground.digests import digest
from kamerton.recipe.llamafactory import Translation
from kamerton.recipe.load import RecipeSource
from kamerton.recipe.rates import usual_rate
from kamerton.recipe.recipe import Recipe

__all__ = ["Derived", "Origin", "ResolvedRecipe", "Value", "json_schema", "resolve"]

Origin = Literal["file", "flag", "default", "derived"]


@dataclass(frozen=True)
class Derived:
    """A value that nobody gave."""

    value: Any
    note: str
    """How it came about."""


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
    translation: Translation | None = None
    """Where the file is LLaMA-Factory's: what became of its keys."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical recipe."""
        return digest(self.recipe.model_dump(mode="json"))


def resolve(source: RecipeSource, machine: Mapping[str, Derived]) -> ResolvedRecipe:
    """Decide what the user left open.

    Args:
        source: a checked recipe.
        machine: what the machine decides, by dotted key; it counts where the recipe says nothing.

    Raises:
        RecipeError: what follows from one value does not go with another.
    """
    document = source.recipe.model_dump(mode="json")
    derived = {key: choice for key, choice in {**_usual(source.recipe), **machine}.items() if _open(document, key)}
    for key, choice in derived.items():
        *path, name = key.split(".")
        section = document
        for part in path:
            section = section[part]
        section[name] = choice.value
    recipe = source.decided(document)
    values = tuple(_trace(path, value, source, derived) for path, value in _leaves(recipe.model_dump(mode="json"), ()))
    return ResolvedRecipe(recipe, values, source.translation)


def _open(document: Any, key: str) -> bool:
    """Whether the recipe has this key and leaves it to us: its value is None or `auto`."""
    for part in key.split("."):
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return document is None or document == "auto"


def _usual(recipe: Recipe) -> dict[str, Derived]:
    """What follows from the rest of the recipe."""
    method, objective = recipe.method.kind, recipe.training.objective.kind
    usual = {
        "training.learning_rate": Derived(usual_rate(method, objective), f"usual for {method} and {objective}"),
        "tracking.experiment": Derived(recipe.name, "name"),
    }
    stored = "nf4" if method == "qlora" else "none"
    usual["model.quantization"] = Derived(stored, f"usual for method.kind: {method}")
    rank = getattr(recipe.method, "rank", None)
    if rank is not None:
        usual["method.alpha"] = Derived(2.0 * rank, "2 x method.rank")
    return usual


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, part in value.items() for leaf in _leaves(part, (*path, key))]
    return [(path, value)]


def _trace(path: tuple[str, ...], value: Any, source: RecipeSource, derived: Mapping[str, Derived]) -> Value:
    key = ".".join(path)
    if key in derived:
        return Value(key, value, "derived", derived[key].note)
    if not _given(source.given, path):
        return Value(key, value, "default", "")
    around = [".".join(path[:depth]) for depth in range(len(path), 0, -1)]
    flag = next((each for each in around if each in source.flags), None)
    if flag is not None:
        return Value(key, value, "flag", flag)
    if source.translation is not None:
        written = next(source.translation.written[each] for each in around if each in source.translation.written)
        return Value(key, value, written.origin, written.note)
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
