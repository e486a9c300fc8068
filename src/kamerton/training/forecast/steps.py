"""A few measured steps of a throw-away copy: what the shapes cannot say of this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from kamerton.journal import RunFolder
from kamerton.models.load import LoadedModel
from kamerton.recipe import Recipe
from kamerton.training.checkpoint import state_digest
from kamerton.training.examples import Example
from kamerton.training.loop import Loop
from kamerton.training.memory import peak_mib
from kamerton.training.network import Network
from kamerton.training.objectives import Objective
from kamerton.training.order import Plan, plan_steps
from kamerton.training.run import watch
from kamerton.training.validation import measure

__all__ = ["Measured", "Timed", "measure_steps", "work_of"]

_TYPICAL = 4
"""Steps that are timed."""

_LEAST = 2
"""Of them, those that are timed though time is up, unless it takes three times as long."""

_PASSES = 4
"""Most forward passes of a timed step; a longer step is timed by its beginning."""

_LARGE = 1 << 29
"""Bytes: a checkpoint that is larger is not written on trial."""


@dataclass(frozen=True)
class Timed:
    """Work that was done, and the seconds that it took."""

    work: float
    seconds: float
    processor: float
    """Seconds of processor time, over all threads."""


@dataclass
class Measured:
    """What the steps came to."""

    peak: int = 0
    """Bytes: of the GPU, else resident memory of this process so far."""
    heavy: bool = False
    """Whether the largest pass of the data was among them."""
    steps: list[Timed] = field(default_factory=list)
    watch: Timed | None = None
    """What alarms look at before the first step; its work is 1."""
    general: float = 0.0
    """Work of the general texts, which are measured beside each validation."""
    validation: Timed | None = None
    reference: Timed | None = None
    """A pass of the reference model, for objectives that have one."""
    save: Timed | None = None
    """A checkpoint; its work is bytes."""
    seconds: float = 0.0
    """All of it."""


def work_of(recipe: Recipe, examples: Sequence[Example]) -> float:
    """What the time of a step goes with: tokens, or prompts where answers are drawn to them."""
    if recipe.training.objective.kind == "grpo":
        return float(len(examples))
    return float(sum(example.length for example in examples))


def measure_steps(
    loaded: LoadedModel, objective: Objective, parts: dict[str, list[Example]], recipe: Recipe, seconds: float
) -> Measured:
    """Train a few steps and throw them away: first the shortest example alone, then the largest step, then usual ones.

    The model is used up. Nothing is written but a scratch folder of the system, which is removed.

    Args:
        loaded: with the method applied.
        seconds: about how long it may take; the largest step is left out where it alone would take three times this.
    """
    began = time.monotonic()
    found = Measured()
    plan = plan_steps(parts["train"], recipe.training)
    network = Network(loaded, recipe.training.compute)
    usual = [_beginning(network, plan.step(number)) for number in _spread(plan.epochs[0], _TYPICAL, plan.steps)]
    longest = _largest(network, plan)
    shortest = min(parts["train"], key=lambda example: (example.length, example.id))
    judged = _sample(parts["validation"], 16)
    found.general = float(sum(example.length for example in parts.get("general", [])))
    with tempfile.TemporaryDirectory(prefix="kamerton-forecast-") as scratch:
        shown = {"train": _unique([shortest, *longest, *chain(*usual)]), "validation": judged}
        work = work_of(recipe, shown["train"]) + work_of(recipe, judged)
        found.reference = _timed(work, lambda: objective.start(network, shown, _silent))
        trial = _Trial(network, objective, recipe, plan, judged, RunFolder(Path(scratch)))
        found.watch = _timed(1.0, lambda: watch(trial.loop, parts, _silent))
        trial.step([shortest])  # the first one builds what all others use
        rate = trial.step([shortest])
        found.heavy = rate.seconds / rate.work * work_of(recipe, longest) <= 3 * seconds
        if found.heavy:
            trial.step(longest)
        for step in usual:
            found.steps.append(trial.step(step))
            gone = time.monotonic() - began
            if gone > seconds and (len(found.steps) >= _LEAST or gone > 3 * seconds):
                break
        if judged:
            found.validation = _timed(work_of(recipe, judged), lambda: measure(network, objective, judged, 0))
        state = sum(weight.numel() for weight in trial.loop.weights.values()) * 12
        if state < _LARGE:
            found.save = _timed(float(state), trial.save)
    found.peak = peak_mib(network.device) << 20
    found.seconds = time.monotonic() - began
    return found


@dataclass(frozen=True)
class _Told(Plan):
    """A plan whose next step is told."""

    next: list[Example] = field(default_factory=list)

    def step(self, step: int) -> list[Example]:
        return list(self.next)


class _Trial:
    """The loop of a run, without the run: it is told what each step learns from."""

    def __init__(
        self, network: Network, objective: Objective, recipe: Recipe, plan: Plan, judged: list[Example], run: RunFolder
    ) -> None:
        self._recipe = recipe
        many = 1 << 20
        self._plan = _Told(plan.examples, plan.options, plan.steps_per_epoch, many, plan.warmup, (many,))
        self.loop = Loop(network, objective, recipe.method, self._plan, judged, run, "")
        network.model.train()

    def step(self, examples: list[Example]) -> Timed:
        self._plan.next[:] = examples
        return _timed(work_of(self._recipe, examples), self.loop.advance)

    def save(self) -> None:
        """A checkpoint, and the digest that seals it."""
        state_digest(self.loop.weights, self.loop.optimizer)
        self.loop.save()


def _timed(work: float, action: Callable[[], object]) -> Timed:
    began, used = time.monotonic(), time.process_time()
    action()
    return Timed(work, time.monotonic() - began, time.process_time() - used)


def _spread(size: int, wanted: int, steps: int) -> list[int]:
    """Numbers of steps, from 1, evenly over the first epoch."""
    last = min(size, steps)
    return sorted({1 + place * (last - 1) // max(wanted - 1, 1) for place in range(wanted)})


def _beginning(network: Network, examples: list[Example], passes: int = _PASSES) -> list[Example]:
    """Of a step, the examples of its first forward passes."""
    return [example for batch in islice(network.batches(examples), passes) for example in batch.examples]


def _largest(network: Network, plan: Plan) -> list[Example]:
    """The first two passes of the step with the largest pass: in the second one there are gradients of the first."""
    limit = plan.options.compute.pass_tokens
    steps = min(plan.epochs[0], plan.steps)

    def size(number: int) -> tuple[int, int]:
        lengths = [example.length for example in plan.step(number)]
        return max(max(lengths), min(sum(lengths), limit)), sum(lengths)

    return _beginning(network, plan.step(max(range(1, steps + 1), key=size)), 2)


def _sample(examples: list[Example], most: int) -> list[Example]:
    """Evenly over the examples."""
    return [examples[place * len(examples) // most] for place in range(most)] if len(examples) > most else examples


def _unique(examples: Iterable[Example]) -> list[Example]:
    return list({example.id: example for example in examples}.values())


def _silent(event: dict[str, Any]) -> None:
    """Is told what is shown while a reference is measured."""
