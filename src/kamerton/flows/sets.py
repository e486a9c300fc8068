"""Which sets a model has of its own."""

from __future__ import annotations

from collections.abc import Sequence

from kamerton.flows.models import find_model
from kamerton.ground.settings import Workspace

__all__ = ["is_own_set"]


def is_own_set(model: str, names: Sequence[str], workspace: Workspace | None = None) -> bool:
    """Whether the one name is `test` or a set of the recipe that the model was trained with."""
    if len(names) != 1:
        return False
    recipe = find_model(model, workspace or Workspace.at()).recipe
    return names[0] == "test" or (recipe is not None and names[0] in recipe.evaluation.sets)
