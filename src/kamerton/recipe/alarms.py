"""`training.alarms:` what is done when a run shows a symptom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kamerton.recipe.base import Section

__all__ = ["AlarmsSection", "Policy"]

Policy = Literal["off", "warn", "stop"]
StepPolicy = Literal["off", "warn", "stop", "skip_step"]
"""`skip_step` leaves the weights as they were for one step."""


class AlarmsSection(Section):
    """One policy an alarm: be silent, warn, stop with a checkpoint, or skip the step.

    A run that an alarm stopped goes on past it with `kamerton train --resume`.
    """

    non_finite: Literal["stop", "skip_step"] = "stop"
    """Loss or gradient is not a number. `skip_step` gives up after five such steps in a row."""
    spike: StepPolicy = "warn"
    """Loss or gradient norm far above that of the steps before."""
    divergence: Policy = "warn"
    """The loss rises and stays up."""
    plateau: Policy = "warn"
    """The loss no longer falls, and training goes on."""
    over_fitting: Policy = "warn"
    """Validation loss rises while training loss falls."""
    under_fitting: Policy = "warn"
    """Hardly anything was learned, or the weights do not move."""
    learning_rate: Policy = "warn"
    """The rate is too high or too low for this model and data."""
    forgetting: Policy = "warn"
    """A general set is predicted worse than the start model predicts it."""
    forgetting_set: Annotated[list[str], Field(min_length=1)] | None = None
    """Files or data-set versions of texts for `forgetting`; None takes `evaluation.sets.general` where it is given,
    else 24 packaged texts in Polish and English."""
    forgetting_margin: Annotated[float, Field(ge=0)] = 0.1
    """Nats a token that the general set may lose before `forgetting` is raised; 0.1 is a tenth more perplexity."""
    throughput: Literal["off", "warn"] = "warn"
    """Fewer tokens a second than before. It is of the machine and decides nothing about weights."""
    data: Policy = "warn"
    """What is learned from looks wrong: few, repeated or masked rows, answers that do not fit their questions or their
    language, a template that is not the base's, validation rows in the training part, batches that do not go on."""
