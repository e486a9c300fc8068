"""What is measured for alarms alone: the start model on the validation part, and a general set before and during."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kamerton.ground.digests import canonical_json
from kamerton.ground.files import write_text
from kamerton.training.examples import Example
from kamerton.training.monitors.history import Paired
from kamerton.training.network import Network
from kamerton.training.objectives import Objective
from kamerton.training.validation import Measured, measure, ratio_error

__all__ = ["Probes", "paired", "text_losses"]

_FILE = "start_losses.json"
_WATCHED = 128
"""Validation examples that the start model is measured on."""
_FEW = 0.1
"""A part of the weights that is small enough to be kept twice for one step: that of any adapter."""


class Probes:
    """Losses of the start model, kept in the run folder so that a resumed run compares with the same."""

    def __init__(
        self, network: Network, objective: Objective, validation: list[Example], general: list[Example]
    ) -> None:
        """
        Args:
            general: texts, as examples of which every token is learned; none where the model predicts no text.
        """
        self._network = network
        self._objective = objective
        self._watched = validation[:_WATCHED]
        self._general = general
        self._start: dict[str, Any] = {}
        self._weights: dict[str, torch.Tensor] | None = None
        """Of the start model, where it is still to be measured."""

    def begin(self, folder: Path, step: int) -> None:
        """Measure the start model before the first step, or read what was measured then.

        Where few weights move, a copy of them is kept, and `measure_start` is to be called after the first step:
        whoever waits for the first loss does not wait for this.
        """
        file = folder / _FILE
        if step:
            self._start = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        elif self._network.processes.independent and self._network.moving_share <= _FEW:
            self._weights = self._network.moving_weights()
        else:
            self._measure(folder)

    def measure_start(self, folder: Path) -> None:
        """Measure the start model where that has been put off."""
        if self._weights is not None:
            weights, self._weights = self._weights, None
            with self._network.other_weights(weights):
                self._measure(folder)

    def _measure(self, folder: Path) -> None:
        validation: list[float] = []
        if self._watched:
            validation = measure(self._network, self._objective, self._watched, 0).totals.tolist()
        self._start = {"validation": validation, "general": text_losses(self._network, self._general)[0].tolist()}
        if all(map(math.isfinite, [*self._start["validation"], *self._start["general"]])):
            write_text(folder / _FILE, canonical_json(self._start) + "\n")

    def over_start(self, measured: Measured) -> Paired | None:
        """A measurement of the validation part against the start model, on the examples that both were measured on."""
        start = np.array(self._start.get("validation", []))
        return paired(measured.totals[: len(start)], start, measured.units[: len(start)])

    def general(self, step: int) -> dict[str, Any] | None:
        """The event of the general set at a step; None where there is none, or the start model was not measured."""
        start = np.array(self._start.get("general", []))
        if not len(start) or len(start) != len(self._general):
            return None
        now, units = text_losses(self._network, self._general)
        over = paired(now, start, units)
        if over is None:
            return None
        total = float(units.sum())
        return {
            "name": "general",
            "step": step,
            "loss": float(now.sum()) / total,
            "reference": float(start.sum()) / total,
            "over": [over.change, over.error],
            "items": len(start),
        }


def text_losses(network: Network, examples: list[Example]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(E,) negative log-likelihood and learned tokens of each example, without gradients and dropout."""
    place = {example.id: number for number, example in enumerate(examples)}
    totals = np.zeros(len(place))
    units = np.array([example.trained for example in examples], dtype=np.float64)
    with network.judging():
        for batch in network.batches(examples):
            losses = -network.log_probs(batch).sum(dim=1)
            totals[[place[example.id] for example in batch.examples]] = losses.double().cpu().numpy()
    return totals, units


def paired(now: NDArray[np.float64], before: NDArray[np.float64], units: NDArray[np.float64]) -> Paired | None:
    """The difference of two mean losses on the same examples, with its standard error (`ratio_error`).

    Args:
        now: (E,) loss of each example over all its units.

    Returns:
        None with fewer than two examples, or where a loss is not finite.
    """
    count = len(now)
    if count < 2 or len(before) != count:
        return None
    gains = now - before
    change = float(gains.sum() / units.sum())
    error = ratio_error(gains, change, units)
    return Paired(change, error) if math.isfinite(change) and math.isfinite(error) else None
