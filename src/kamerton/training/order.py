"""Which examples stand together in a step: a pure function of (seed, epoch, example ids, weights and lengths)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from kamerton.ground.errors import DataError
from kamerton.ground.rng import draw, shuffled, stream_seed
from kamerton.recipe import TrainingSection
from kamerton.training.examples import Example

__all__ = ["Plan", "epoch_order", "epoch_size", "plan_steps", "step_digest", "times_seen"]

_MEGA = 16
"""Batches that are sorted by length together: enough to save padding, few enough to stay random."""


def times_seen(example: Example, seed: int, epoch: int) -> int:
    """How often an epoch shows an example of weight w: floor(w) times, and once more with probability w - floor(w).

    A pure function of (seed, epoch, example id): no other example takes part.
    """
    whole = int(example.weight)
    rest = example.weight - whole
    return whole + (rest > 0.0 and draw(seed, epoch, "seen", example.id) < rest)


def epoch_size(examples: Sequence[Example], seed: int, epoch: int) -> int:
    """How many examples an epoch shows, each as often as it is seen."""
    return sum(times_seen(example, seed, epoch) for example in examples)


def epoch_order(examples: Sequence[Example], batch_size: int, seed: int, epoch: int, *, grouped: bool) -> list[int]:
    """Positions in the order of the epoch; an example stands there as often as it is seen.

    Args:
        grouped: for padded batches: shuffled, then neighbours sorted by length, then the batches shuffled. Only full
            batches move in the last shuffle; what is left over comes last.
    """
    places: list[tuple[int, int]] = []
    for index, example in enumerate(examples):
        for copy in range(times_seen(example, seed, epoch)):
            # The first showing has the address that it has without weights, so that unit weights change no order.
            address = (example.id, copy) if copy else (example.id,)
            places.append((stream_seed(seed, epoch, "order", *address), index))
    order = [index for _, index in sorted(places)]
    return _grouped(order, examples, batch_size, (seed, epoch)) if grouped else order


def _grouped(order: list[int], examples: Sequence[Example], batch_size: int, address: tuple[int, int]) -> list[int]:
    width = batch_size * _MEGA
    batches: list[list[int]] = []
    for begin in range(0, len(order), width):
        group = sorted(order[begin : begin + width], key=lambda index: examples[index].length)
        batches += [group[start : start + batch_size] for start in range(0, len(group), batch_size)]
    full = [batch for batch in batches if len(batch) == batch_size]
    rest = [batch for batch in batches if len(batch) < batch_size]
    moved = [full[place] for place in shuffled([str(number) for number in range(len(full))], *address, "batches")]
    return [index for batch in [*moved, *rest] for index in batch]


@dataclass(frozen=True)
class Plan:
    """Which examples each optimiser step learns from."""

    examples: Sequence[Example]
    options: TrainingSection
    steps_per_epoch: int
    """Of an epoch as long as the average one."""
    steps: int
    warmup: int
    epochs: tuple[int, ...]
    """Optimiser steps of each epoch that the run begins; weighted epochs differ in length."""
    passes: int = 1
    """Steps in a row that have the same examples."""
    _orders: dict[int, list[int]] = field(default_factory=dict, repr=False, compare=False)

    def epoch_of(self, step: int) -> tuple[int, int]:
        """The epoch (from 0) of a step (from 1), and the number of the step in it (from 0)."""
        before = step - 1
        for epoch, steps in enumerate(self.epochs):
            if before < steps:
                return epoch, before
            before -= steps
        raise IndexError(f"the plan has no step {step}")

    def step(self, step: int) -> list[Example]:
        """The examples of a step, from 1."""
        epoch, place = self.epoch_of(step)
        place //= self.passes
        size = int(self.options.batch_size)
        return [self.examples[index] for index in self._order(epoch)[place * size : (place + 1) * size]]

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            self._orders.clear()  # one epoch at a time
            grouped = not self.options.compute.packing
            size, seed = int(self.options.batch_size), self.options.seed
            self._orders[epoch] = epoch_order(self.examples, size, seed, epoch, grouped=grouped)
        return self._orders[epoch]


def plan_steps(examples: Sequence[Example], options: TrainingSection) -> Plan:
    """Steps of a run over these examples.

    Raises:
        DataError: the weights leave an epoch without any example.
    """
    assert isinstance(options.batch_size, int), "a resolved recipe names it"
    passes = getattr(options.objective, "passes", 1)
    expected = max(round(math.fsum(example.weight for example in examples)), 1)
    epochs: list[int] = []
    done = 0
    while done < options.max_steps if options.max_steps else len(epochs) < options.epochs:
        size = epoch_size(examples, options.seed, len(epochs))
        if not size:
            raise DataError(
                f"the weights leave epoch {len(epochs) + 1} without any row",
                expected=f"weights that show many rows an epoch; those of the {len(examples)} rows sum to {expected}",
                mend="raise the weights of data.train",
            )
        epochs.append(math.ceil(size / options.batch_size) * passes)
        done += epochs[-1]
    last = epochs[-1]
    # Of the last epoch only as much as `epochs` asks for; the ones before it are whole.
    steps = options.max_steps or done - last * len(epochs) + math.ceil(last * options.epochs)
    asked = 0.05 if options.warmup_steps is None else options.warmup_steps
    warmup = asked if isinstance(asked, int) else math.ceil(asked * steps)
    usual = math.ceil(expected / options.batch_size) * passes
    return Plan(examples, options, usual, steps, warmup, tuple(epochs), passes)


def step_digest(examples: Sequence[Example]) -> str:
    """Digest of the ids and labels that one optimiser step learns from."""
    running = hashlib.sha256()
    for example in examples:
        for sequence in example.sequences:
            running.update(f"{example.id}:{example.value!r}:{sequence.length}".encode())
            running.update(sequence.ids.tobytes())
            running.update(sequence.labels.tobytes())
    return running.hexdigest()[:32]
