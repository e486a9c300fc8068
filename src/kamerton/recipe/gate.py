"""`gate:` what a model must prove before an alias moves."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from kamerton.recipe.base import Section
from kamerton.recipe.evaluation import Baseline, MetricName

__all__ = ["GateSection", "Guard", "Primary"]


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Primary(Section):
    """The metric on which the model must be better."""

    metric: MetricName = "token_f1"
    """One of `evaluation.metrics`."""
    better_than: Annotated[
        list[Baseline], BeforeValidator(_one_or_many, json_schema_input_type=Baseline | list[Baseline])
    ] = ["base"]
    """Every one of these must be beaten, significantly after Holm's correction over the declared family."""


class Guard(Section):
    """A metric on which the model must not be worse than the base."""

    metric: MetricName
    """One of `evaluation.metrics`; on a set of its own only `perplexity`."""
    on: str = "test"
    """`test`, or a name under `evaluation.sets`."""
    margin: Annotated[float, Field(ge=0)]
    """Largest loss that is tolerated: absolute for shares, relative for perplexity (0.02 = 2 %)."""


class GateSection(Section):
    """What a model must prove before an alias moves."""

    primary: Primary = Primary()
    """Where the model must be better."""
    guards: list[Guard] = []
    """Where it must not be worse."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Family-wise error rate of the gate."""
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.8
    """Power at which the minimum detectable effect is stated."""
