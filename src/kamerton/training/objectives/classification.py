"""Classification: a head that gives each prompt one of a few labels."""

from __future__ import annotations

from typing import Any

from torch.nn.functional import cross_entropy

from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Losses, Objective

__all__ = ["Classification"]


class Classification(Objective):
    """Cross-entropy over the labels, read from the hidden state of the prompt's last token."""

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        logits = network.scores(batch)[:, 0]
        wanted = batch.values.long()
        right = (logits.detach().argmax(1) == wanted).float()
        return Losses(cross_entropy(logits, wanted, reduction="none"), {"accuracy": right})
