"""Where a training begins when `model.base` names a model that was trained before: continual learning."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kamerton.flows.models import ModelRef, find_model
from kamerton.ground.errors import RecipeError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import AdapterMethod, Derived, Recipe, RecipeSource, ResolvedRecipe

__all__ = ["Origin", "find_origin"]

_LOWER = 0.5
"""Share of the earlier rate: enough to learn from, little enough to keep (Ibrahim et al., arXiv 2403.08763)."""


@dataclass(frozen=True)
class Origin:
    """An earlier model and what beginning with it means for the recipe."""

    name: str
    changes: dict[str, Any]
    """Values by dotted key: immutable places instead of a name that may move."""
    rate: Derived | None
    """The learning rate, where the recipe leaves it open."""

    def begin(self, source: RecipeSource) -> RecipeSource:
        """The recipe with the model's places in it.

        Raises:
            RecipeError: its method does not go with them.
        """
        document = source.recipe.model_dump(mode="json")
        for key, value in self.changes.items():
            section, _, name = key.partition(".")
            document[section][name] = value
        return replace(source, recipe=source.decided(document))

    def told(self, resolved: ResolvedRecipe) -> ResolvedRecipe:
        """The same recipe, whose values say where those of the model came from."""
        values = tuple(
            replace(value, origin="derived", note=self.name) if value.key in self.changes else value
            for value in resolved.values
        )
        return replace(resolved, values=values)


def find_origin(recipe: Recipe, workspace: Workspace) -> Origin | None:
    """The finished model that `model.base` names: a run, `NAME@ALIAS` or `NAME@NUMBER`; None for any other base.

    A fully trained model is a base itself. Of an adapter, the base is its own, and the adapter is trained on (or, with
    `method.new_adapter`, merged first).

    Raises:
        RecipeError: the recipe's method cannot go on with it.
    """
    name = recipe.model.base
    if name is None or name.startswith((".", "/", "~")) or (workspace.root / name).is_dir():
        return None
    try:
        ref = find_model(name, workspace)
    except RequestError:
        return None  # the search for the base says what there is
    if ref.folder is None or ref.recipe is None:
        return None
    told = f"{name}, which is {ref.record.run_id}" if ref.record else name
    return Origin(told, _changes(recipe, ref, workspace), _lower_rate(ref))


def _changes(recipe: Recipe, ref: ModelRef, workspace: Workspace) -> dict[str, Any]:
    assert ref.folder is not None
    assert ref.recipe is not None
    folder, trained = ref.folder, ref.recipe
    _refuse_others(recipe, ref.name, trained)
    if trained.method.kind == "full":
        return {"model.base": _place(folder, workspace), "model.chat_template": trained.model.chat_template}
    if not isinstance(trained.method, AdapterMethod) or not isinstance(recipe.method, AdapterMethod):
        raise RecipeError(
            f"{ref.name} was trained with method {trained.method.kind}, and the recipe goes on with "
            f"{recipe.method.kind}",
            where="method.kind",
            expected="an adapter that goes on with an adapter, or a model that was trained in full",
            mend=f"set method.kind={trained.method.kind}" if isinstance(trained.method, AdapterMethod) else "",
        )
    merged = json.loads((folder / "kamerton.json").read_text(encoding="utf-8")).get("start") or []
    return {
        "model.base": trained.model.base,
        "model.chat_template": trained.model.chat_template,
        "model.quantization": trained.model.quantization,
        "method.start_from": [*(_place(folder / name, workspace) for name in merged), _place(folder, workspace)],
    }


def _refuse_others(recipe: Recipe, name: str, trained: Recipe) -> None:
    """What is taken over from an earlier model cannot be asked for otherwise.

    Raises:
        RecipeError: the recipe names another template, or another rounding of the base below an adapter.
    """
    model, taken = recipe.model, trained.model
    if "chat_template" in model.model_fields_set and model.chat_template != taken.chat_template:
        raise _otherwise(name, "model.chat_template", taken.chat_template, model.chat_template)
    if trained.method.kind == "full":
        return
    if model.quantization is not None and model.quantization != taken.quantization:
        raise _otherwise(name, "model.quantization", taken.quantization, model.quantization)
    if model.quantization is None and recipe.method.kind == "qlora" and taken.quantization != "nf4":
        mend = "set method.kind=lora"
        raise _otherwise(name, "model.quantization", taken.quantization, "nf4", where="method.kind", mend=mend)


def _otherwise(name: str, key: str, taken: object, asked: object, *, where: str = "", mend: str = "") -> RecipeError:
    return RecipeError(
        f"{name} was trained with {key}={taken}, and the recipe asks for {asked}",
        where=where or key,
        expected="what the earlier model was trained with: going on takes it over",
        mend=mend or f"leave {key} out",
    )


def _place(folder: Path, workspace: Workspace) -> str:
    """Relative to the workspace where it lies in it, so that the workspace may move."""
    inside = folder.resolve().is_relative_to(workspace.root.resolve())
    return str(folder.resolve().relative_to(workspace.root.resolve()) if inside else folder)


def _lower_rate(ref: ModelRef) -> Derived | None:
    rate = ref.recipe.training.learning_rate if ref.recipe else None
    return Derived(_LOWER * rate, f"half of that of {ref.name}") if rate is not None else None
