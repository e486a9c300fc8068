"""What is learned: one class an objective, which says what its examples cost."""

from __future__ import annotations

from pathlib import Path

from kamerton.models.load import LoadedModel, load_base
from kamerton.recipe import TrainingSection
from kamerton.training.objectives.base import Loss, Losses, Objective, OpenModel, Told
from kamerton.training.objectives.classification import Classification
from kamerton.training.objectives.grpo import Grpo
from kamerton.training.objectives.heads import head_labels
from kamerton.training.objectives.kto import Kto
from kamerton.training.objectives.language import NextToken, Sft
from kamerton.training.objectives.preference import Dpo, Orpo, Simpo
from kamerton.training.objectives.reward import Reward

__all__ = ["Loss", "Losses", "Objective", "OpenModel", "Told", "build_objective", "head_labels"]

_OBJECTIVES: dict[str, type[Objective]] = {
    "pretrain": NextToken,
    "sft": Sft,
    "dpo": Dpo,
    "orpo": Orpo,
    "simpo": Simpo,
    "kto": Kto,
    "reward": Reward,
    "classification": Classification,
    "grpo": Grpo,
}


def build_objective(
    options: TrainingSection, loaded: LoadedModel, open_model: OpenModel = lambda name: load_base(name, Path())
) -> Objective:
    """The objective of a recipe for a model.

    Args:
        open_model: loads another model that the objective names; by default a base, from the working folder.
    """
    return _OBJECTIVES[options.objective.kind](options, loaded, open_model)
