"""A model as objectives use it: batches of examples in, log-probabilities of what is learned out.

Shapes: E examples of a batch, K sequences of each, M learned tokens of all, V words, L outputs of a head.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from kamerton.chat import IGNORED
from kamerton.models.layout import choose_layout
from kamerton.models.lean import make_lean, make_norms_lean
from kamerton.models.load import LoadedModel
from kamerton.models.methods import trainable_parameters
from kamerton.models.packed import pack, pad
from kamerton.models.token_loss import find_head, hidden_states, summed_nll, token_log_probs
from kamerton.recipe import ComputeSection
from kamerton.training.examples import Example
from kamerton.training.parallel import ALONE, Processes

__all__ = ["Batch", "Network"]


@dataclass(frozen=True)
class Batch:
    """Examples as one forward pass sees them."""

    examples: list[Example]
    inputs: dict[str, Any]
    """Keywords of the model's forward."""
    targets: torch.Tensor
    """The next token of each position, -100 where nothing is learned."""
    sequence: torch.Tensor
    """The sequence that each position belongs to, counted over all examples."""

    @cached_property
    def learned(self) -> torch.Tensor:
        """(M,) positions that are learned."""
        return (self.targets != IGNORED).nonzero().squeeze(1)

    @property
    def per_example(self) -> int:
        """Sequences of each example: K."""
        return len(self.examples[0].sequences)

    @cached_property
    def counts(self) -> torch.Tensor:
        """(E, K) learned tokens of each sequence, in fp32."""
        counts = [[sequence.trained for sequence in example.sequences] for example in self.examples]
        return torch.tensor(counts, dtype=torch.float32, device=self.targets.device)

    @cached_property
    def values(self) -> torch.Tensor:
        """(E,) what the objective knows of each example, in fp32."""
        return torch.tensor([each.value for each in self.examples], dtype=torch.float32, device=self.targets.device)

    def last(self, filler: int) -> torch.Tensor:
        """(E K,) position of each sequence's last token that is not `filler`, where transformers reads a head."""
        ends = [
            int(np.flatnonzero(sequence.ids != filler)[-1])
            for example in self.examples
            for sequence in example.sequences
        ]
        numbers = torch.arange(len(ends), device=self.sequence.device)
        return torch.searchsorted(self.sequence, numbers) + torch.tensor(ends, device=self.sequence.device)

    def summed(self, per_token: torch.Tensor) -> torch.Tensor:
        """Values (M,) of the learned tokens, summed over each sequence: (E, K)."""
        sums = per_token.new_zeros(len(self.examples) * self.per_example)
        sums = sums.index_add(0, self.sequence[self.learned], per_token)
        return sums.view(len(self.examples), self.per_example)


class Network:
    """The model of a training with its precision and its way of laying out batches."""

    def __init__(self, loaded: LoadedModel, compute: ComputeSection, processes: Processes = ALONE) -> None:
        """
        Args:
            processes: those that train it together; `share` makes the model theirs.
        """
        self.loaded = loaded
        self.model: Any = loaded.model
        """What is called: the model itself, or as several processes share it."""
        self.processes = processes
        self._bf16 = compute.precision == "bf16"
        make_lean(loaded.model)
        make_norms_lean(loaded.model)
        self._head = find_head(loaded.model)
        self.packed = choose_layout(loaded.model, self._head, packing=compute.packing) == "packed"
        if self._bf16:  # after the layout was proved: without autocast no model computes with two types of weights
            _store_frozen_in_bf16(loaded.model)
        if compute.gradient_checkpointing:
            loaded.model.activation_checkpointing_enable({"use_reentrant": False})
        self._forward_tokens = compute.pass_tokens

    def share(self) -> None:
        """Copy or part the model among the processes; from here on no weight may be looked at alone."""
        self.model = self.processes.wrap(self.loaded.model)

    @property
    def device(self) -> torch.device:
        return self.loaded.device

    def batches(self, examples: Sequence[Example]) -> Iterator[Batch]:
        """Examples as forward passes of at most `training.compute.forward_tokens` tokens, about equally large.

        A single example that is longer has a pass of its own.
        """
        ordered = sorted(examples, key=lambda each: (-each.length, each.id))
        for part in self._packed_parts(ordered) if self.packed else self._padded_parts(ordered):
            yield self.batch(part)

    def _packed_parts(self, ordered: Sequence[Example]) -> list[list[Example]]:
        """The longest first, each to the pass with the fewest tokens: passes that are alike cost least."""
        passes = max(1, math.ceil(sum(example.length for example in ordered) / self._forward_tokens))
        while True:
            parts: list[list[Example]] = [[] for _ in range(min(passes, len(ordered)))]
            sizes = [(0, number) for number in range(len(parts))]
            for example in ordered:
                size, number = sizes[0]
                parts[number].append(example)
                heapq.heapreplace(sizes, (size + example.length, number))
            if all(size <= self._forward_tokens or len(parts[number]) == 1 for size, number in sizes):
                return parts
            passes += max(1, passes // 16)

    def _padded_parts(self, ordered: Sequence[Example]) -> list[list[Example]]:
        """Neighbours in length, as many as a pass takes."""
        parts: list[list[Example]] = []
        for example in ordered:
            if not parts or _padded_tokens([*parts[-1], example]) > self._forward_tokens:
                parts.append([])
            parts[-1].append(example)
        return parts

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Examples on the device, in the order given."""
        sequences = [sequence for example in examples for sequence in example.sequences]
        ids, labels = [each.ids for each in sequences], [each.labels for each in sequences]
        made = pack(ids, labels) if self.packed else pad(ids, self.loaded.pad_id, labels)
        move = self.device.type != "cpu"
        inputs = {
            name: value.to(self.device, non_blocking=True) if move and isinstance(value, torch.Tensor) else value
            for name, value in made.inputs.items()
        }
        return Batch(list(examples), inputs, made.targets.to(self.device), made.sequence.to(self.device))

    # -- what objectives ask -------------------------------------------------------------------------------------
    def summed_nll(self, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood of all learned tokens together, in nats: a scalar in fp32."""
        with self.autocast():
            hidden = self._hidden(batch)
            return summed_nll(self._head, hidden, batch.targets)

    def token_log_probs(self, batch: Batch, temperature: float = 1.0) -> torch.Tensor:
        """Log-probability of each learned token: (M,) in fp32.

        Args:
            temperature: logits are divided by it.
        """
        cap = self._head.softcap
        head = replace(self._head, scale=self._head.scale / temperature, softcap=cap and cap / temperature)
        with self.autocast():
            hidden = self._hidden(batch)
            return token_log_probs(head, hidden, batch.targets)[batch.learned]

    def log_probs(self, batch: Batch) -> torch.Tensor:
        """Log-probability of the learned tokens of each sequence together: (E, K) in fp32."""
        return batch.summed(self.token_log_probs(batch))

    def logits(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (M, V) and targets (M,) of the learned tokens."""
        with self.autocast():
            hidden = self._hidden(batch)
            return self._head(hidden[batch.learned]), batch.targets[batch.learned]

    def scores(self, batch: Batch) -> torch.Tensor:
        """What a model with a head says of each sequence at its last token: (E, K, L) in fp32."""
        with self.autocast():
            hidden = self._hidden(batch)
        last = hidden[batch.last(self.loaded.pad_id)].float()
        scores: torch.Tensor = self._head.module(last)
        return scores.view(len(batch.examples), batch.per_example, -1)

    def _hidden(self, batch: Batch) -> torch.Tensor:
        """Last hidden states of all positions: (N, H)."""
        return hidden_states(self.model, self._head, batch.inputs)

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the recipe."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)

    @property
    def moving_share(self) -> float:
        """The part of all weights that moves: 1 where all do."""
        model = self.loaded.model
        moving = sum(weight.numel() for weight in trainable_parameters(model).values())
        return moving / sum(weight.numel() for weight in model.parameters())

    def moving_weights(self) -> dict[str, torch.Tensor]:
        """A copy of the weights that move, as they are now."""
        return {name: weight.detach().clone() for name, weight in trainable_parameters(self.loaded.model).items()}

    @contextmanager
    def other_weights(self, weights: dict[str, torch.Tensor]) -> Iterator[None]:
        """The model with other values of the weights that move; afterwards it has its own again."""
        with self.processes.other_weights(self.loaded.model, weights):
            yield

    @contextmanager
    def without_dropout(self) -> Iterator[None]:
        """The model as it judges, afterwards as it was before."""
        before = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(before)

    @contextmanager
    def judging(self) -> Iterator[None]:
        """No gradients and no dropout."""
        with self.without_dropout(), torch.no_grad():
            yield


def _padded_tokens(examples: Sequence[Example]) -> int:
    """Tokens of a batch in which each sequence is as long as the longest."""
    lengths = [sequence.length for example in examples for sequence in example.sequences]
    return len(lengths) * max(lengths)


def _store_frozen_in_bf16(model: torch.nn.Module) -> None:
    """Weights that do not move need no more digits than the arithmetic uses; it halves their memory."""
    for weight in model.parameters():
        if not weight.requires_grad and weight.dtype == torch.float32:
            weight.data = weight.data.to(torch.bfloat16)
