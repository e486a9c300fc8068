"""`evaluation:` what is measured, on what, against what."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from kamerton.recipe.base import Section

__all__ = ["Baseline", "EvaluationSection", "MetricName"]

MetricName = Literal["accuracy", "macro_f1", "exact_match", "form", "token_f1", "perplexity", "pair_accuracy"]
Baseline = Literal["base", "few_shot"]


class EvaluationSection(Section):
    """What is measured, on what, against what."""

    metrics: Annotated[list[MetricName], Field(min_length=1)] = ["exact_match", "token_f1", "perplexity"]
    """`accuracy` and `macro_f1` need `label`, `form` needs `form`; `perplexity` is per token of the answers;
    `pair_accuracy` is for ranked rows, and measured on every set that has some."""
    baselines: list[Baseline] = ["base", "few_shot"]
    """`base` is the untouched base model; `few_shot` is the base with `shots` training examples in the prompt."""
    shots: Annotated[int, Field(ge=1, le=64)] = 3
    """Examples in the few-shot prompt: training rows chosen by the seed, cut to what fits the context."""
    label: str | None = None
    """Regular expression whose first group is the label in an answer, for `accuracy` and `macro_f1`."""
    form: str | None = None
    """Regular expression that a well-formed answer matches as a whole, for `form`."""
    sets: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    """Further sets by name, such as `general: [general.jsonl]`; guards may name them. `test` is always there."""
    max_items: Annotated[int, Field(ge=1)] | None = None
    """Only the first n test items; None takes all."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 128
    """Longest generated answer; answers that reach it are counted in the record."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Items generated together; it does not change the answers."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """Level of all intervals."""
    resamples: Annotated[int, Field(ge=200)] = 2000
    """Bootstrap resamples."""
    seed: int = 42
    """Seed of the bootstrap and of the few-shot choice."""

    @field_validator("label", "form")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _patterns_given(self) -> EvaluationSection:
        if self.label is None and {"accuracy", "macro_f1"} & set(self.metrics):
            raise ValueError("accuracy and macro_f1 need evaluation.label")
        if self.label is not None and re.compile(self.label).groups < 1:
            raise ValueError("evaluation.label needs one group: the label")
        if self.form is None and "form" in self.metrics:
            raise ValueError("the metric form needs evaluation.form")
        if "test" in self.sets:
            raise ValueError("the set name test is taken by the test part")
        return self
