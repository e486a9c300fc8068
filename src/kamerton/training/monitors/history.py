"""What alarms see of a run: records in their order, from a live training, a journal or a foreign log alike.

No record holds a moment of the clock, so that a history tells the same whenever and however often it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Ended", "Evaluation", "Facts", "Failed", "History", "Paired", "Probe", "Record", "Step"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run before its first step; None is not known."""

    steps: int | None = None
    """Optimiser steps that are planned."""
    steps_per_epoch: int | None = None
    passes: int = 1
    """Steps in a row that learn from one batch."""
    examples: int | None = None
    """Of the training part."""
    distinct: int | None = None
    """Examples of the training part that differ in their tokens."""
    masked: int | None = None
    """Training rows that were left out because nothing of them is learned."""
    learned_share: float | None = None
    """Share of the training part's tokens that is learned."""
    validation: int | None = None
    """Validation examples."""
    leaked: int | None = None
    """Validation examples whose tokens stand in the training part."""
    judged: int | None = None
    """Training rows, of a sample, whose question and answer are long enough to tell their languages."""
    mixed: int | None = None
    """Of these, the ones whose answer is in another language than their question."""
    paired: int | None = None
    """Training examples, of a sample, whose questions and answers were held against each other."""
    chance: float | None = None
    """Probability that answers put to questions by lot would fit them as well."""
    closed: float | None = None
    """Share of the whole examples whose last learned token ends a turn."""
    overridden: bool = False
    """Another chat template is used than the base's own."""
    rewarded: bool = False
    """The losses of steps steer towards rewards and do not tell how well the model does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step, or the mean of a few where a foreign log tells no more."""

    step: int
    loss: float
    """Nats per unit; nan or infinite as it came."""
    grad_norm: float | None = None
    """L2 norm before clipping; None where it was not told."""
    learning_rate: float | None = None
    tokens: int | None = None
    """Learned tokens."""
    tokens_per_second: float | None = None
    batch: str = ""
    """Digest of what the step learned from."""
    epoch: float | None = None
    withheld: bool = False
    """The weights were left as they were."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and (self.grad_norm is None or math.isfinite(self.grad_norm))


@dataclass(frozen=True, slots=True)
class Paired:
    """A difference of mean losses on the same examples, with its standard error."""

    change: float
    error: float

    @property
    def surely_above(self) -> float:
        """The change less two standard errors."""
        return self.change - 2.0 * self.error

    @property
    def surely_below(self) -> float:
        """The change plus two standard errors."""
        return self.change + 2.0 * self.error

    def __str__(self) -> str:
        return f"{self.change:+.3f} [{self.surely_above:+.3f}, {self.surely_below:+.3f}]"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measurement on the validation part."""

    step: int
    loss: float
    error: float | None = None
    """Standard error of the loss over examples."""
    over_lowest: Paired | None = None
    """Against the lowest loss before it."""
    over_start: Paired | None = None
    """Against the model before its first step."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A measurement beside the validation: two losses on the same examples."""

    name: str
    """Such as `general`."""
    step: int
    loss: float
    """What is watched."""
    reference: float
    """What it is held against."""
    over: Paired
    """`loss` over `reference`."""
    items: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended in an error."""

    step: int
    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The training came to its end."""

    step: int


Record = Facts | Step | Evaluation | Probe | Failed | Ended


@dataclass
class History:
    """All records so far."""

    facts: Facts = field(default_factory=Facts)
    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    @property
    def step(self) -> int:
        """The last step told of."""
        return self.steps[-1].step if self.steps else 0

    @property
    def telling(self) -> list[Step]:
        """Steps whose finite loss tells how well the model does."""
        return [] if self.facts.rewarded else [step for step in self.steps if step.finite]

    def add(self, record: Record) -> None:
        """Take a record in."""
        match record:
            case Facts():
                self.facts = record
            case Step():
                self.steps.append(record)
            case Evaluation():
                self.evaluations.append(record)
            case Probe():
                self.probes.append(record)
            case Failed() | Ended():
                pass

    def left(self) -> float | None:
        """Share of the planned steps that is still to come; None where no number was planned."""
        return None if not self.facts.steps else max(0.0, 1.0 - self.step / self.facts.steps)
