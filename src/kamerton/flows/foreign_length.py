"""The longest sequence of a run that a LLaMA-Factory file asks for: the model's context may be shorter."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kamerton.ground.settings import Workspace
from kamerton.recipe import RecipeSource
from kamerton.training.machine import machine_shape

__all__ = ["settle_length"]

_KEY: Final = "training.max_length"


def settle_length(source: RecipeSource, workspace: Workspace) -> RecipeSource:
    """A LLaMA-Factory file's recipe that tells where the model's context cuts before `cutoff_len` does."""
    translation, asked = source.translation, source.recipe.training.max_length
    if translation is None or _KEY not in translation.written:
        return source
    shape = machine_shape(source.recipe, workspace.root)
    if shape is None or asked <= shape.context:
        return source
    why = f"the model's context cuts at {shape.context} tokens, before cutoff_len: {asked} does"
    return replace(source, translation=translation.settled(_KEY, why))
