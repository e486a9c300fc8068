"""Which examples stand together in a step: a pure function of (seed, epoch, example ids, weights and lengths)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from kamerton.ground.rng import draw, shuffled, stream_seed
from kamerton.training.examples import Example

__all__ = ["EpochSampler", "batch_digest", "collate", "epoch_order", "epoch_size", "times_seen"]

_MEGA = 16
"""Batches that are sorted by length together: enough to save padding, few enough to stay random."""

_GRID = 8
"""Sequences are padded to a multiple of this many tokens."""


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


def epoch_order(examples: Sequence[Example], batch_size: int, seed: int, epoch: int) -> list[int]:
    """Positions in the order of the epoch: shuffled, then neighbours sorted by length, then the batches shuffled.

    An example stands there as often as it is seen. Only full batches move in the last shuffle; what is left over
    comes last.
    """
    places: list[tuple[int, int, int]] = []
    for index, example in enumerate(examples):
        for copy in range(times_seen(example, seed, epoch)):
            # The first showing has the address that it has without weights, so that unit weights change no order.
            address = (example.id, copy) if copy else (example.id,)
            places.append((stream_seed(seed, epoch, "order", *address), index, copy))
    order = [index for _, index, _ in sorted(places)]
    width = batch_size * _MEGA
    batches: list[list[int]] = []
    for begin in range(0, len(order), width):
        group = sorted(order[begin : begin + width], key=lambda index: len(examples[index].ids))
        batches += [group[start : start + batch_size] for start in range(0, len(group), batch_size)]
    full = [batch for batch in batches if len(batch) == batch_size]
    rest = [batch for batch in batches if len(batch) < batch_size]
    moved = [full[place] for place in shuffled([str(number) for number in range(len(full))], seed, epoch, "batches")]
    return [index for batch in [*moved, *rest] for index in batch]


class EpochSampler(Sampler[int]):
    """Yields the order of the current epoch; the trainer calls `set_epoch`."""

    def __init__(self, examples: Sequence[Example], batch_size: int, seed: int) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return epoch_size(self._examples, self._seed, self._epoch)

    def __iter__(self) -> Iterator[int]:
        return iter(epoch_order(self._examples, self._batch_size, self._seed, self._epoch))


def collate(batch: Sequence[Example], pad: int) -> dict[str, torch.Tensor]:
    """Right-padded tensors (B, T) with T a multiple of 8: input_ids, labels, and a mask where there is padding."""
    longest = max(len(example.ids) for example in batch)
    length = -(-longest // _GRID) * _GRID
    ids = torch.full((len(batch), length), pad)
    labels = torch.full((len(batch), length), -100)
    mask = torch.zeros((len(batch), length), dtype=torch.long)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        labels[row, : len(example.ids)] = torch.tensor(example.labels)
        mask[row, : len(example.ids)] = 1
    tensors = {"input_ids": ids, "labels": labels}
    # Without padding the causal mask alone is enough, and attention takes its fastest path.
    return tensors if bool(mask.all()) else tensors | {"attention_mask": mask}


def batch_digest(batches: Sequence[dict[str, torch.Tensor]]) -> str:
    """Digest of the ids and labels that one optimiser step saw."""
    running = hashlib.sha256()
    for batch in batches:
        for name in ("input_ids", "labels"):
            running.update(str(tuple(batch[name].shape)).encode())
            running.update(batch[name].cpu().numpy().tobytes())
    return running.hexdigest()[:32]
