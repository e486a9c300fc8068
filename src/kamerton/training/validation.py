"""Loss on the validation part, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kamerton.training.examples import Example
from kamerton.training.network import Network
from kamerton.training.objectives import Objective

__all__ = ["Best", "Measured", "measure", "ratio_error"]


@dataclass(frozen=True)
class Measured:
    """One measurement."""

    step: int
    loss: float
    """Mean over all units (tokens, pairs) of the part."""
    error: float
    """Standard error of `loss` over examples; nan for a single one."""
    totals: NDArray[np.float64]
    """(E,) loss of each example over all its units, in the part's own order."""
    units: NDArray[np.float64]
    """(E,) units of each example."""
    metrics: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON, without metrics; a float's text gives the same float back."""
        return {
            "step": self.step,
            "loss": self.loss,
            "error": None if math.isnan(self.error) else self.error,
            "totals": self.totals.tolist(),
            "units": self.units.tolist(),
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> Measured:
        """What `document` wrote."""
        error = math.nan if document["error"] is None else float(document["error"])
        totals, units = (np.array(document[name], dtype=np.float64) for name in ("totals", "units"))
        return cls(int(document["step"]), float(document["loss"]), error, totals, units)

    def better_than(self, other: Measured) -> bool:
        """Whether the loss is lower by more than the standard error of the difference on the same examples."""
        gains, count = other.totals - self.totals, len(self.totals)
        gain = float(gains.sum() / self.units.sum())
        return gain > (ratio_error(gains, gain, self.units) if count > 1 else 0.0)


class Best:
    """The best measurement so far, and how long there was none that is surely better."""

    def __init__(self) -> None:
        self.lowest: Measured | None = None
        """The lowest loss, whether by luck or not."""
        self._standard: Measured | None = None
        self.waited = 0
        """Measurements since the last one that was better by more than its standard error."""

    def add(self, measured: Measured) -> bool:
        """Take a measurement in; returns whether its loss is the lowest so far."""
        if self._standard is None or measured.better_than(self._standard):
            self._standard, self.waited = measured, 0
        else:
            self.waited += 1
        lowest = self.lowest is None or measured.loss < self.lowest.loss
        if lowest:
            self.lowest = measured
        return lowest

    def document(self) -> dict[str, Any]:
        """As JSON, so that a resumed run decides as this one would."""
        measured = (self.lowest, self._standard)
        return {"waited": self.waited, "measured": [each and each.document() for each in measured]}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Best:
        """What `document` wrote."""
        best = cls()
        best.lowest, best._standard = (each and Measured.read(each) for each in document["measured"])
        best.waited = int(document["waited"])
        return best


def ratio_error(totals: NDArray[np.float64], ratio: float, units: NDArray[np.float64]) -> float:
    """Standard error of a ratio of sums over examples, which have different numbers of units.

    Cochran, Sampling Techniques, 1977, section 6.4.
    """
    spread, count = totals - ratio * units, len(totals)
    return math.sqrt(float(spread @ spread) / (count - 1) / count) / float(units.mean())


def measure(network: Network, objective: Objective, examples: list[Example], step: int) -> Measured:
    """Measure an objective's loss on examples, without gradients and dropout."""
    processes = network.processes
    mine = processes.part(examples) if processes.independent and len(examples) >= processes.world else examples
    place = {example.id: number for number, example in enumerate(examples)}
    units = np.array([objective.units(example) for example in examples], dtype=np.float64)
    totals = np.zeros(len(examples))
    sums: dict[str, float] = {}
    with network.judging():
        for judged, losses in objective.judged(network, mine):
            totals[[place[example.id] for example in judged]] = losses.values.double().cpu().numpy()
            for name, values in losses.metrics.items():
                sums[name] = sums.get(name, 0.0) + float(values.sum())
    if len(mine) < len(examples):
        totals = np.array(processes.total(totals.tolist()))
        sums = dict(zip(sums, processes.total(list(sums.values())), strict=True))
    loss = float(totals.sum() / units.sum())
    count = len(examples)
    error = ratio_error(totals, loss, units) if count > 1 else math.nan
    return Measured(step, loss, error, totals, units, {name: total / count for name, total in sums.items()})
