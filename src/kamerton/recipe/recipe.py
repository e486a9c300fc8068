"""The recipe: everything that is asked of a run, in one frozen document."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from kamerton.recipe.base import Section
from kamerton.recipe.data import DataSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection
from kamerton.recipe.method import LoraMethod, Method
from kamerton.recipe.method_rules import method_faults, method_warnings
from kamerton.recipe.model import ModelSection
from kamerton.recipe.objective_rules import objective_faults, objective_warnings
from kamerton.recipe.tracking import TrackingSection
from kamerton.recipe.training import TrainingSection

__all__ = ["Recipe"]


class Recipe(Section):
    """What is asked of a run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "model"
    """Name of the model in the registry; letters, digits, dot, dash and underscore."""
    model: ModelSection
    """Which weights the run starts from."""
    data: DataSection
    """What the run learns from and how it is parted."""
    method: Method = LoraMethod()
    """Which weights move."""
    training: TrainingSection = TrainingSection()
    """How the weights move."""
    evaluation: EvaluationSection = EvaluationSection()
    """What is measured, on what, against what."""
    gate: GateSection | None = None
    """What the model must prove before an alias moves; without a gate only `candidate` moves."""
    tracking: TrackingSection = TrackingSection()
    """Who follows the run."""

    @property
    def warnings(self) -> list[str]:
        """Settings that have no effect beside others, or another one than their name says; both are named."""
        by_method = method_warnings(self.model, self.method, self.training)
        return [*by_method, *objective_warnings(self.training, self.evaluation), *self._without_validation()]

    def _without_validation(self) -> list[str]:
        split, training = self.data.split, self.training
        if self.data.validation or split.validation or split.folds is not None:
            return []
        idle = {
            "training.early_stopping": training.early_stopping is not None,
            "training.finish_with: best": training.finish_with == "best",
            "training.evaluate_every": training.evaluate_every is not None,
        }
        return [f"{key} has no effect with data.split.validation: 0" for key, asked in idle.items() if asked]

    @model_validator(mode="after")
    def _sections_agree(self) -> Recipe:
        faults = method_faults(self.model, self.method, self.training)
        for fault in faults + objective_faults(self.method, self.training):
            raise ValueError(fault)
        if self.model.architecture is not None:
            if self.training.objective.kind != "pretrain":
                raise ValueError("model.architecture starts from random weights: training.objective must be pretrain")
            if self.training.max_length > self.model.architecture.context:
                raise ValueError("training.max_length is longer than model.architecture.context")
        return self

    @model_validator(mode="after")
    def _ewc_is_possible(self) -> Recipe:
        if self.training.ewc is None:
            return self
        if self.training.objective.kind not in {"sft", "pretrain"}:
            raise ValueError("training.ewc holds what sft or pretrain learned: training.objective must be one of them")
        if self.model.architecture is not None:
            raise ValueError("training.ewc holds what was learned before, and model.architecture starts from nothing")
        return self

    @model_validator(mode="after")
    def _gate_is_measured(self) -> Recipe:
        if self.gate is None:
            return self
        wanted = [self.gate.primary.metric, *(guard.metric for guard in self.gate.guards if guard.on == "test")]
        for metric in wanted:
            if metric not in self.evaluation.metrics:
                raise ValueError(f"the gate uses {metric}: add it to evaluation.metrics")
        for baseline in self.gate.primary.better_than:
            if baseline not in self.evaluation.baselines:
                raise ValueError(f"the gate compares with {baseline}: add it to evaluation.baselines")
        if self.gate.guards and "base" not in self.evaluation.baselines:
            raise ValueError("guards compare with the base: add base to evaluation.baselines")
        for guard in self.gate.guards:
            if guard.on != "test" and guard.on not in self.evaluation.sets:
                raise ValueError(f"a guard names the set {guard.on!r}: add it to evaluation.sets")
            if guard.on != "test" and guard.metric != "perplexity":
                raise ValueError(f"on the set {guard.on!r} only perplexity is measured")
        return self
