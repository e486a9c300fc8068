"""`tracking:` who follows the run."""

from __future__ import annotations

from typing import Literal

from kamerton.recipe.base import Section

__all__ = ["TrackingSection"]


class TrackingSection(Section):
    """Who follows the run's journal; a follower never touches training."""

    followers: list[Literal["mlflow"]] = ["mlflow"]
    """Trackers that are told of the run; an empty list keeps it to its folder."""
    experiment: str | None = None
    """MLflow experiment; None means the recipe's name."""
