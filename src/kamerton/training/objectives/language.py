"""Next-token prediction: of texts (`pretrain`), and of answers (`sft`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from kamerton.chat import IGNORED
from kamerton.ground.errors import RequestError
from kamerton.ground.functions import load_function, own_faults
from kamerton.models.load import LoadedModel
from kamerton.recipe import SftObjective, TrainingSection
from kamerton.training.consolidation import Consolidation
from kamerton.training.examples import Example
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Loss, Losses, Objective, OpenModel, Told

__all__ = ["NextToken", "Sft"]


class NextToken(Objective):
    """Mean negative log-likelihood of a learned token, in nats."""

    _held: Consolidation | None = None

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:
        if self.options.ewc is not None:
            earlier = parts["earlier"]
            told({"notice": f"estimating what the earlier task needs from {len(earlier)} rows"})
            strength = self.options.ewc.strength
            self._held = Consolidation.estimate(network, earlier, lambda batch: self._mean(network, batch), strength)

    def _mean(self, network: Network, batch: Batch) -> torch.Tensor:
        units = sum(self.units(example) for example in batch.examples)
        return self.loss(network, batch, None).total / units

    def regularise(self, weights: dict[str, torch.nn.Parameter]) -> float:
        return self._held.add_gradients(weights) if self._held else 0.0

    def units(self, example: Example) -> int:
        return example.trained

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        return Losses(-network.log_probs(batch).sum(dim=1))

    def loss(self, network: Network, batch: Batch, context: Any) -> Loss:
        return Loss(network.summed_nll(batch))


class Sft(NextToken):
    """The same, or the loss that the recipe names."""

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        super().__init__(options, loaded, open_model)
        assert isinstance(options.objective, SftObjective)
        self._loss_name = options.objective.loss
        self._token_loss = _token_loss(self._loss_name)

    def loss(self, network: Network, batch: Batch, context: Any) -> Loss:
        if self._token_loss is None:
            return super().loss(network, batch, context)
        logits, targets = network.logits(batch)
        name, where = self._loss_name, _told(batch)
        with own_faults(f"the loss {name}", name, where):
            total = self._token_loss(logits, targets)
        return Loss(_checked(total, name, where))


TokenLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Logits (N, V) and targets (N) of learned tokens to the sum of their losses."""


def _token_loss(name: str) -> TokenLoss | None:
    """The loss of the recipe; None for cross-entropy, which is computed without whole logits."""
    if name == "cross_entropy":
        return None
    if name == "dft":
        return _dft
    return load_function(name, "training.objective.loss")


def _told(batch: Batch) -> str:
    """The examples of a batch, for an error."""
    names = [example.id[:12] for example in batch.examples]
    return f"example {', '.join(names[:3])}{f' and {len(names) - 3} more of its batch' if len(names) > 3 else ''}"


def _checked(total: Any, name: str, where: str) -> torch.Tensor:
    """What a loss gave, where it can be learned from; whether it is finite is asked of every loss elsewhere."""
    given = f"{total!r:.60}"
    if isinstance(total, torch.Tensor):
        if total.dim() == 0 and (total.requires_grad or not torch.is_grad_enabled()):
            return total
        given = f"a tensor of shape {tuple(total.shape)}" if total.dim() else "a number without a gradient"
    raise RequestError(
        f"the loss {name} gave {given}",
        where=where,
        expected="the sum of the losses of all tokens: a tensor without dimensions, with a gradient",
        mend=f"mend {name}; it is given logits (N, V) and targets (N)",
    )


def _dft(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Each token's cross-entropy weighed by its own probability, through which no gradient flows (2508.05629)."""
    nll = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none", ignore_index=IGNORED)
    return (nll * torch.exp(-nll.detach())).sum()
