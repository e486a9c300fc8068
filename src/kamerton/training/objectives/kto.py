"""Learning from answers that are each liked or not (Kahneman-Tversky optimisation, Ethayarajh et al., 2402.01306)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from kamerton.ground.rng import shuffled
from kamerton.models.load import LoadedModel
from kamerton.recipe import KtoObjective, TrainingSection
from kamerton.training.examples import Example, TokenSequence
from kamerton.training.examples.answered import joined
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Losses, Objective, OpenModel, Told
from kamerton.training.objectives.reference import Reference

__all__ = ["Kto", "kto_loss"]


def kto_loss(ratios: torch.Tensor, liked: torch.Tensor, divergence: float, beta: float) -> torch.Tensor:
    """1 - sigmoid(beta (r - z)) where the answer is liked, 1 - sigmoid(beta (z - r)) where not (eq. 7 and 8).

    Args:
        ratios: (E,) r: log-probability of the answer under the model minus that under the reference.
        liked: (E,) 1 or 0.
        divergence: z: how far the model is from the reference, in nats; no gradient flows through it.
    """
    sign = 2 * liked - 1
    return 1 - torch.sigmoid(beta * sign * (ratios - divergence))


class Kto(Objective):
    """Kahneman-Tversky optimisation.

    The divergence of a step is measured on mismatched pairs: each prompt of the step with the answer of another row.
    Which one is fixed for the run by the seed and the row, as in TRL, so that the reference's numbers of it can be
    computed beforehand; and it is measured over the step as a whole, so that the loss does not depend on how the step
    is parted into forward passes.
    """

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        super().__init__(options, loaded, open_model)
        assert isinstance(options.objective, KtoObjective)
        self._chosen = options.objective
        self._reference = Reference(self, options.objective.reference)
        self._mismatched: dict[str, Example] = {}
        self._validation: list[Example] = []

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:
        self._validation = parts["validation"]
        for examples in (parts["train"], parts["validation"]):
            self._mismatched |= self._ring(examples)
        matched = [*parts["train"], *parts["validation"]]
        self._reference.measure(network, [*matched, *self._mismatched.values()], told)

    def _ring(self, examples: Sequence[Example]) -> dict[str, Example]:
        """Each prompt with the answer of the next row of a ring that the seed and the rows' ids order."""
        order = shuffled([example.id for example in examples], self.options.seed, "mismatch")
        following = dict(zip(order, [*order[1:], *order[:1]], strict=True))
        found = {}
        for place, example in enumerate(examples):
            (asked,), (told,) = example.sequences, examples[following[place]].sequences
            mixed = TokenSequence(
                np.concatenate([asked.ids[: asked.first_learned], told.ids[told.first_learned :]]),
                np.concatenate([asked.labels[: asked.first_learned], told.labels[told.first_learned :]]),
            )
            found[example.id] = Example(f"{example.id}:mismatched", joined([mixed], self.builder.max_length).sequences)
        return found

    def begin_step(self, network: Network, examples: list[Example], step: int) -> tuple[list[Example], float]:
        """The step's examples, and the divergence: the mean log-ratio of its mismatched answers, at least 0."""
        total = 0.0
        with network.judging():
            for batch in network.batches([self._mismatched[example.id] for example in examples]):
                found = network.log_probs(batch).double().sum()
                total += float(found) - sum(self._reference[example][0] for example in batch.examples)
        return examples, max(total / len(examples), 0.0)

    def judged(self, network: Network, examples: list[Example]) -> Iterator[tuple[list[Example], Losses]]:
        """With the divergence of the whole validation part, also where several processes share it."""
        _, divergence = self.begin_step(network, self._validation, 0)
        for batch in network.batches(examples):
            yield batch.examples, self.losses(network, batch, divergence)

    def losses(self, network: Network, batch: Batch, context: float) -> Losses:
        found = network.log_probs(batch)[:, 0]
        ratios = found - found.new_tensor([self._reference[example][0] for example in batch.examples])
        liked = batch.values
        loss = kto_loss(ratios, liked, context, self._chosen.beta)
        weights = torch.where(liked > 0, self._chosen.liked_weight, self._chosen.disliked_weight)
        lead = (self._chosen.beta * (2 * liked - 1) * (ratios - context)).detach()
        metrics = {
            "accuracy": (lead > 0).float(),
            "margin": lead,
            "divergence": torch.full_like(lead, context),
        }
        return Losses(weights * loss, metrics)
