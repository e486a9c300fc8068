"""`tracking:` who follows the run."""

from __future__ import annotations

from typing import Literal

from kamerton.recipe.base import Section

__all__ = ["TrackingSection"]


class TrackingSection(Section):
    """Who follows the run's journal; a follower never touches training."""

    followers: list[Literal["mlflow", "tensorboard", "wandb"]] = ["mlflow"]
    """Trackers that are told of the run; an empty list keeps it to its folder. `tensorboard` writes into
    `.kamerton/tensorboard`; `wandb` goes to the server of `WANDB_API_KEY`, without one into `.kamerton/wandb`."""
    experiment: str | None = None
    """MLflow experiment and W&B project; None means the recipe's name."""
