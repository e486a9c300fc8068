"""`training:` how the weights move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kamerton.recipe.alarms import AlarmsSection
from kamerton.recipe.base import Section
from kamerton.recipe.compute import ComputeSection, Optimizer, OptimizerSection, ParallelSection, Positive
from kamerton.recipe.objective import Objective, SftObjective

__all__ = ["EarlyStopping", "EwcSection", "TrainingSection"]


class EarlyStopping(Section):
    """An end before the last step."""

    patience: Positive = 2
    """Measurements on the validation part without a loss lower than the best by more than its standard error."""


class EwcSection(Section):
    """Elastic weight consolidation: weights that an earlier task needs are held (Kirkpatrick et al., 1612.00796)."""

    source: str
    """Rows of the earlier task: a data-set version `name@tag`, or files."""
    strength: Annotated[float, Field(gt=0)] = 1.0
    """Weight of the penalty (lambda in the paper)."""
    rows: Positive = 256
    """Rows that the Fisher information is estimated from."""


class TrainingSection(Section):
    """How the weights move."""

    objective: Objective = SftObjective()
    """What is learned: sft, pretrain, dpo, orpo, simpo, kto, reward, classification or grpo."""
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the training part; ignored where `max_steps` is set."""
    max_steps: Positive | None = None
    """Optimiser steps; None follows `epochs`."""
    learning_rate: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Highest rate; None means what is usual for the method and the objective."""
    schedule: Literal["cosine", "linear", "constant", "inverse_sqrt"] = "cosine"
    """Course of the rate after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Steps of linear warm-up; below 1 a share of all steps. None means 5 % of them."""
    min_rate_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """The schedule ends at this share of `learning_rate`."""
    batch_size: Positive | Literal["auto"] = 8
    """Examples that one optimiser step learns from, over all processes and forward passes; `auto` takes as many of
    `max_length` as fit into one forward pass, at most 32."""
    max_length: Annotated[int, Field(ge=8)] = 512
    """Longest sequence in tokens; longer rows are cut, counted and reported."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Order of rows, initial weights and dropout are functions of it."""
    optimizer: Optimizer = OptimizerSection()
    """What turns gradients into steps."""
    compute: ComputeSection = ComputeSection()
    """How the arithmetic is laid out."""
    parallel: ParallelSection = ParallelSection()
    """How several processes share the run."""
    checkpoint_every: Positive = 50
    """Optimiser steps between checkpoints; one more is written at the end and at an interruption."""
    keep_checkpoints: Positive = 2
    """Newest checkpoints that are kept; the best one is kept too."""
    keep_every: Positive | None = None
    """Checkpoints at multiples of this many steps are kept for good, so that `rebuild --segment` can replay between."""
    evaluate_every: Positive | None = None
    """Optimiser steps between measurements on the validation part; None means once an epoch."""
    finish_with: Literal["last", "best"] = "last"
    """The finished model has the weights of the last step, or those with the lowest validation loss."""
    early_stopping: EarlyStopping | None = None
    """Ends the run when the validation loss no longer falls."""
    alarms: AlarmsSection = AlarmsSection()
    """What is done when the run shows a symptom."""
    ewc: EwcSection | None = None
    """Holds what an earlier task needs."""

    @model_validator(mode="after")
    def _kept_checkpoints_are_made(self) -> TrainingSection:
        if self.keep_every is not None and self.keep_every % self.checkpoint_every:
            raise ValueError("keep_every must be a multiple of checkpoint_every")
        return self

    @model_validator(mode="after")
    def _means_over_whole_matrices(self) -> TrainingSection:
        if self.optimizer.kind == "adafactor" and self.parallel.strategy != "ddp":
            raise ValueError(
                f"optimizer.kind: adafactor keeps means over rows and columns of whole matrices, and "
                f"parallel.strategy: {self.parallel.strategy} parts them: set strategy: ddp, or optimizer.kind: adamw"
            )
        return self
