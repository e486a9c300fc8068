"""Learning from a better and a worse answer to one prompt: dpo, orpo, simpo.

The losses are functions of log-probabilities in nats. Shapes: E pairs; (E, 2) with the better answer first.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch.nn.functional import logsigmoid

from kamerton.models.load import LoadedModel
from kamerton.recipe import DpoObjective, OrpoObjective, SimpoObjective, TrainingSection
from kamerton.training.examples import Example
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Losses, Objective, OpenModel, Told
from kamerton.training.objectives.reference import Reference

__all__ = ["Dpo", "Orpo", "Simpo", "dpo_loss", "orpo_loss", "pair_metrics", "simpo_loss"]


# -- formulas --------------------------------------------------------------------------------------------------------
def dpo_loss(
    margin: torch.Tensor, kind: Literal["sigmoid", "ipo", "hinge"], beta: float, label_smoothing: float = 0.0
) -> torch.Tensor:
    """The loss (E,) of how much further than the reference the model prefers the better answer.

    - sigmoid: -(1 - s) log sigmoid(beta m) - s log sigmoid(-beta m) (Rafailov et al., 2305.18290, eq. 7; with a share
      s of wrong judgements it is Mitchell's conservative DPO of 2023).
    - ipo: (m - 1 / (2 beta))^2 (Azar et al., 2310.12036, eq. 17).
    - hinge: max(0, 1 - beta m) (Zhao et al., 2305.10425; against a reference as in Liu et al., 2309.06657).

    Args:
        margin: (E,) m = log-ratio of the better answer minus that of the worse one, each against the reference; for
            `ipo` of means over tokens, as its authors told TRL to read it.
    """
    if kind == "ipo":
        return (margin - 1 / (2 * beta)).square()
    if kind == "hinge":
        return torch.relu(1 - beta * margin)
    return -(1 - label_smoothing) * logsigmoid(beta * margin) - label_smoothing * logsigmoid(-beta * margin)


def orpo_loss(means: torch.Tensor, beta: float) -> torch.Tensor:
    """-log p_w - beta log sigmoid(log odds_w - log odds_l) (Hong et al., 2403.07691, eq. 6 and 7).

    Args:
        means: (E, 2) mean log-probability of a token; odds(p) = p / (1 - p) of its exponential.
    """
    log_odds = means - _log1mexp(means)
    return -means[:, 0] - beta * logsigmoid(log_odds[:, 0] - log_odds[:, 1])


def _log1mexp(values: torch.Tensor) -> torch.Tensor:
    """log(1 - exp(x)) of x < 0 without cancellation (Maechler 2012); finite for the x = 0 of rounding."""
    values = values.clamp(max=-1e-7)
    small = values > -0.6931471805599453
    # Each branch gets numbers that it can bear, so that no gradient of the other one becomes nan.
    near = torch.log(-torch.expm1(torch.where(small, values, -1.0)))
    far = torch.log1p(-torch.exp(torch.where(small, -1.0, values)))
    return torch.where(small, near, far)


def simpo_loss(means: torch.Tensor, beta: float, gamma: float) -> torch.Tensor:
    """-log sigmoid(beta (mean_w - mean_l) - gamma) (Meng et al., 2405.14734, eq. 6).

    Args:
        means: (E, 2) mean log-probability of a token.
    """
    return -logsigmoid(beta * (means[:, 0] - means[:, 1]) - gamma)


def pair_metrics(rewards: torch.Tensor) -> dict[str, torch.Tensor]:
    """Whether the better answer has the higher reward (ties count as not), by how much, and both rewards.

    Args:
        rewards: (E, 2).
    """
    better, worse = rewards.detach().float().unbind(1)
    return {
        "accuracy": (better > worse).float(),
        "margin": better - worse,
        "better_reward": better,
        "worse_reward": worse,
    }


# -- objectives ------------------------------------------------------------------------------------------------------
class Dpo(Objective):
    """Direct preference optimisation against numbers of a reference."""

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        super().__init__(options, loaded, open_model)
        assert isinstance(options.objective, DpoObjective)
        self._chosen = options.objective
        self._reference = Reference(self, options.objective.reference)

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:
        self._reference.measure(network, [*parts["train"], *parts["validation"]], told)

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        found = network.log_probs(batch)
        ratios = found - found.new_tensor([self._reference[example] for example in batch.examples])
        scale = batch.counts if self._chosen.loss == "ipo" else 1.0
        judged = ratios / scale
        margin = judged[:, 0] - judged[:, 1]
        loss = dpo_loss(margin, self._chosen.loss, self._chosen.beta, self._chosen.label_smoothing)
        if self._chosen.sft_weight:
            loss = loss - self._chosen.sft_weight * found[:, 0] / batch.counts[:, 0]
        return Losses(loss, pair_metrics(self._chosen.beta * judged))


class Orpo(Objective):
    """Odds-ratio preference optimisation."""

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        assert isinstance(self.options.objective, OrpoObjective)
        means = network.log_probs(batch) / batch.counts
        beta = self.options.objective.beta
        return Losses(orpo_loss(means, beta), pair_metrics(beta * means) | {"nll": -means[:, 0].detach()})


class Simpo(Objective):
    """Simple preference optimisation."""

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        assert isinstance(self.options.objective, SimpoObjective)
        means = network.log_probs(batch) / batch.counts
        beta = self.options.objective.beta
        return Losses(simpo_loss(means, beta, self.options.objective.gamma), pair_metrics(beta * means))
