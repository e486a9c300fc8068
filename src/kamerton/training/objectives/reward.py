"""Reward model: a head that gives better answers higher scores."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import logsigmoid

from kamerton.recipe import RewardObjective
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Losses, Objective
from kamerton.training.objectives.preference import pair_metrics

__all__ = ["Reward", "reward_loss"]


def reward_loss(scores: torch.Tensor, centre: float) -> torch.Tensor:
    """-log sigmoid(s_w - s_l) + centre (s_w + s_l)^2.

    The first term is that of Bradley and Terry (1952) as used by Ouyang et al. (2203.02155, eq. 1); the second keeps
    scores, of which only differences count, around zero (Eisenstein et al., 2312.09244, eq. 6).

    Args:
        scores: (E, 2), the better answer first.
    """
    better, worse = scores.unbind(1)
    return -logsigmoid(better - worse) + centre * (better + worse).square()


class Reward(Objective):
    """The score of a conversation is read from the hidden state of its last token."""

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        assert isinstance(self.options.objective, RewardObjective)
        scores = network.scores(batch)[:, :, 0]
        return Losses(reward_loss(scores, self.options.objective.centre), pair_metrics(scores))
