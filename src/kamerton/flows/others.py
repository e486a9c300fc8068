"""The models that a training reads beside the one that it begins with."""

from __future__ import annotations

from kamerton.flows.models import find_model
from kamerton.ground.errors import KamertonError
from kamerton.ground.settings import Workspace
from kamerton.recipe import AdapterMethod, DpoObjective, KtoObjective, Recipe

__all__ = ["other_differences", "other_models"]


def other_models(recipe: Recipe, workspace: Workspace) -> dict[str, str]:
    """Digest of each other model by its name in the recipe: the reference of an objective, adapters to start from.

    Raises:
        RequestError: there is no such reference.
    """
    objective = recipe.training.objective
    named = [objective.reference] if isinstance(objective, DpoObjective | KtoObjective) and objective.reference else []
    return {name: _digest(name, recipe, workspace) for name in [*_adapters(recipe), *named]}


def other_differences(recorded: dict[str, str], recipe: Recipe, workspace: Workspace) -> list[str]:
    """Which of the recorded models are not as they were, a sentence each."""
    sentences = []
    for name, before in recorded.items():
        try:
            if _digest(name, recipe, workspace) != before:
                sentences.append(f"model: {name} has other bytes than at the time of the run")
        except KamertonError as error:
            sentences.append(f"model: {error.what} ({name})")
    return sentences


def _adapters(recipe: Recipe) -> list[str]:
    return recipe.method.start_from if isinstance(recipe.method, AdapterMethod) else []


def _digest(name: str, recipe: Recipe, workspace: Workspace) -> str:
    from kamerton.models.locate import BaseFiles, locate

    if name in _adapters(recipe):
        return BaseFiles(name, workspace.root / name).whole()
    ref = find_model(name, workspace)
    return (BaseFiles(name, ref.folder) if ref.folder else locate(ref.name, workspace.root)).whole()
