"""What every objective answers: what its examples cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from kamerton.data.rows import Row
from kamerton.models.load import LoadedModel
from kamerton.recipe import TrainingSection
from kamerton.training.examples import Example, ExampleSet, builder_of
from kamerton.training.network import Batch, Network

__all__ = ["Loss", "Losses", "Objective", "OpenModel", "Told"]

OpenModel = Callable[[str], LoadedModel]
"""Loads a model by the name that a recipe gives it."""

Told = Callable[[dict[str, Any]], None]
"""Called with what is worth showing while work is done."""


@dataclass(frozen=True)
class Losses:
    """The loss of each example of a batch."""

    values: torch.Tensor
    """(E,) in fp32: what each example costs in all, over all its units."""
    metrics: dict[str, torch.Tensor] = field(default_factory=dict)
    """(E,) each, by name: what else is worth watching, such as the margin of a pair."""


@dataclass(frozen=True)
class Loss:
    """The loss of a batch."""

    total: torch.Tensor
    """Scalar: the sum over its examples."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Sums over its examples, by name."""


class Objective(ABC):
    """What is learned from rows.

    The loss of an optimiser step is the sum over its examples, divided once by the number of their units; so it does
    not depend on how the step is parted into forward passes or processes.
    """

    rewarded: ClassVar[bool] = False
    """Whether the loss of a step steers towards rewards and does not tell how well the model does."""

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        """
        Args:
            loaded: the model that is trained.
            open_model: loads another one that the objective names.
        """
        self.options = options
        self.loaded = loaded
        self.open_model = open_model
        self.builder = builder_of(options, loaded)

    def examples(self, rows: Sequence[Row], weights: Sequence[float] | None = None) -> ExampleSet:
        """Rows as examples; see `Builder.examples`."""
        return self.builder.examples(rows, weights)

    def units(self, example: Example) -> int:
        """How many parts of the mean loss an example is."""
        return 1

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:  # noqa: B027 - most need nothing
        """What must be known of the model before its first step, such as the reference's probabilities.

        A resumed run comes here before its checkpoint is loaded, so that it sees the same model.
        """

    def regularise(self, weights: dict[str, torch.nn.Parameter]) -> float:
        """Add to the gradients what does not depend on examples; returns what it adds to the loss."""
        return 0.0

    def state(self) -> dict[str, Any]:
        """What the next step needs beside the weights, as JSON for a checkpoint."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027 - most have none
        """Stand where `state` was taken."""

    def begin_step(self, network: Network, examples: list[Example], step: int) -> tuple[list[Example], Any]:
        """What one optimiser step learns from, and what its losses need to know of the step as a whole.

        Args:
            step: from 1; whatever is drawn is a function of the seed, the step and the example.
        """
        return examples, None

    @abstractmethod
    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        """The loss of each example, with gradients.

        Args:
            context: what `begin_step` gave for the step.
        """

    def judged(self, network: Network, examples: list[Example]) -> Iterator[tuple[list[Example], Losses]]:
        """The losses of a validation part, batch by batch; without gradients and dropout."""
        chosen, context = self.begin_step(network, examples, 0)
        for batch in network.batches(chosen):
            yield batch.examples, self.losses(network, batch, context)

    def loss(self, network: Network, batch: Batch, context: Any) -> Loss:
        """The loss of all examples of a batch, with gradients."""
        each = self.losses(network, batch, context)
        return Loss(each.values.sum(), {name: float(values.sum()) for name, values in each.metrics.items()})
