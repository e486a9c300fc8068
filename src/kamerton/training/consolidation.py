"""Elastic weight consolidation: weights that an earlier task needs are held where they are (Kirkpatrick et al., 2017).

The penalty on a step's mean loss is strength / 2 x the sum over all moving weights of F (w - w0)^2, with w0 the weights
that training starts from and F the diagonal of the Fisher information, estimated from rows of the earlier task as the
mean of squared gradients of each example's mean loss (the empirical Fisher; arXiv 1612.00796, section 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from kamerton.models.methods import trainable_parameters
from kamerton.training.examples import Example
from kamerton.training.network import Batch, Network
from kamerton.training.parallel import put_back, whole

__all__ = ["Consolidation"]


class Consolidation:
    """How much each moving weight is held, and where."""

    def __init__(self, fisher: dict[str, torch.Tensor], centre: dict[str, torch.Tensor], strength: float) -> None:
        """
        Args:
            fisher: by the name of the weight, each as the weight is shaped.
            centre: where the weights are held.
        """
        self._fisher = fisher
        self._centre = centre
        self._strength = strength

    @classmethod
    def estimate(
        cls,
        network: Network,
        examples: Sequence[Example],
        mean_loss: Callable[[Batch], torch.Tensor],
        strength: float,
    ) -> Consolidation:
        """Estimate the Fisher information of the model as it stands; dropout is off."""
        weights = trainable_parameters(network.loaded.model)
        fisher = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
        with network.without_dropout():
            for example in examples:
                mean_loss(network.batch([example])).backward()
                for name, weight in weights.items():
                    if weight.grad is not None:
                        fisher[name] += weight.grad.float() ** 2 / len(examples)
                        weight.grad = None
        return cls(fisher, network.moving_weights(), strength)

    @torch.no_grad()
    def add_gradients(self, weights: dict[str, torch.nn.Parameter]) -> float:
        """Add the penalty's gradients to those of the weights; returns the penalty."""
        penalty = 0.0
        for name, weight in weights.items():
            fisher, moved = put_back(self._fisher[name], weight), weight - put_back(self._centre[name], weight)
            pull = self._strength * fisher * moved
            penalty += 0.5 * float(whole((pull * moved).sum()))
            if weight.grad is None:
                weight.grad = pull.to(weight.dtype)
            else:
                weight.grad += pull.to(weight.grad.dtype)
        return penalty
