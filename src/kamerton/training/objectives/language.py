"""Next-token prediction: over answers (`sft`) and over texts (`pretrain`)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch

from kamerton.chat import IGNORED, Message, Tokens
from kamerton.data.rows import Row, RowKind
from kamerton.ground.errors import RequestError
from kamerton.ground.functions import load_function, own_faults
from kamerton.ground.rng import draw
from kamerton.models.load import LoadedModel
from kamerton.recipe import PretrainObjective, SftObjective, TrainingSection
from kamerton.training.consolidation import Consolidation
from kamerton.training.examples import Example, ExampleIds, ExampleSet, TokenSequence
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Loss, Losses, Objective, OpenModel, Told

__all__ = ["Pretrain", "Sft"]


class _NextToken(Objective):
    """Mean negative log-likelihood of a learned token, in nats."""

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"text", "conversation"})

    _held: Consolidation | None = None

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:
        if self.options.ewc is not None:
            earlier = parts["earlier"]
            told({"notice": f"estimating what the earlier task needs from {len(earlier)} rows"})
            strength = self.options.ewc.strength
            self._held = Consolidation.estimate(network, earlier, lambda batch: self._mean(network, batch), strength)

    def _mean(self, network: Network, batch: Batch) -> torch.Tensor:
        units = sum(self.units(example) for example in batch.examples)
        return self.loss(network, batch, None).total / units

    def regularise(self, weights: dict[str, torch.nn.Parameter]) -> float:
        return self._held.add_gradients(weights) if self._held else 0.0

    def units(self, example: Example) -> int:
        return example.trained

    def losses(self, network: Network, batch: Batch, context: Any) -> Losses:
        return Losses(-network.log_probs(batch).sum(dim=1))

    def loss(self, network: Network, batch: Batch, context: Any) -> Loss:
        return Loss(network.summed_nll(batch))

    @abstractmethod
    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet: ...


class Sft(_NextToken):
    """Answers of conversations, one example a row, cut at `max_length`."""

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        super().__init__(options, loaded, open_model)
        assert isinstance(options.objective, SftObjective)
        self._learn_from = options.objective.learn_from
        self._loss_name = options.objective.loss
        self._token_loss = _token_loss(self._loss_name)

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        built = ExampleSet([])
        ids = ExampleIds()
        for row, weight in zip(rows, weights, strict=True):
            tokens = self._rendered(row).first(self.max_length)
            if not tokens.trained_count:
                built.masked.append(row.row_hash)
                continue
            if tokens.cut:
                built.cut.append(row.row_hash)
            sequence = TokenSequence.of(tokens.ids, self._labels(tokens))
            built.examples.append(Example(ids.next(row), (sequence,), weight))
        return built

    def _rendered(self, row: Row) -> Tokens:
        if row.text is not None:
            return self.format.text(row.text)
        last_only = self._learn_from == "last_answer"
        return self.format.conversation(list(row.messages or ()), tools=row.tools, last_only=last_only)

    def _labels(self, tokens: Tokens) -> list[int]:
        return tokens.ids if self._learn_from == "everything" else tokens.labels()

    def loss(self, network: Network, batch: Batch, context: Any) -> Loss:
        if self._token_loss is None:
            return super().loss(network, batch, context)
        logits, targets = network.logits(batch)
        name, where = self._loss_name, _told(batch)
        with own_faults(f"the loss {name}", name, where):
            total = self._token_loss(logits, targets)
        return Loss(_checked(total, name, where))


class Pretrain(_NextToken):
    """Texts one after the other, parted into sequences of exactly `max_length` tokens.

    The last incomplete sequence is kept, one of prompt alone is not. Texts of one weight stand together, so that a
    sequence has the weight of its texts.
    """

    def build(self, rows: Sequence[Row], weights: Sequence[float]) -> ExampleSet:
        streams: dict[float, tuple[list[int], list[int]]] = {weight: ([], []) for weight in sorted(set(weights))}
        for row, weight in zip(rows, weights, strict=True):
            tokens = self._dressed(row)
            ids, labels = streams[weight]
            ids += tokens.ids
            labels += tokens.labels()
        pieces = [
            (TokenSequence.of(ids[start : start + self.max_length], labels[start : start + self.max_length]), weight)
            for weight, (ids, labels) in streams.items()
            for start in range(0, len(ids), self.max_length)
        ]
        examples = [Example(str(number), (piece,), weight) for number, (piece, weight) in enumerate(pieces)]
        # A sequence of prompt alone teaches nothing, and a step of such sequences would have no loss.
        return ExampleSet([example for example in examples if example.trained])

    def _dressed(self, row: Row) -> Tokens:
        """A text as it is or, for a share of the texts, parted in two: a user's turn and an answer that goes on."""
        if row.text is None:
            return self.format.conversation(list(row.messages or ()), tools=row.tools)
        assert isinstance(self.options.objective, PretrainObjective)
        seed, words = self.options.seed, row.text.split(" ")
        if len(words) < 8 or draw(seed, "chat_share", row.row_hash) >= self.options.objective.chat_share:
            return self.format.text(row.text)
        place = 1 + int(draw(seed, "chat_place", row.row_hash) * (len(words) // 2))
        turns: list[Message] = [
            {"role": "user", "content": " ".join(words[:place])},
            {"role": "assistant", "content": " ".join(words[place:])},
        ]
        return self.format.conversation(turns)


TokenLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Logits (N, V) and targets (N) of learned tokens to the sum of their losses."""


def _token_loss(name: str) -> TokenLoss | None:
    """The loss of the recipe; None for cross-entropy, which is computed without whole logits."""
    if name == "cross_entropy":
        return None
    if name == "dft":
        return _dft
    return load_function(name, "training.objective.loss")


def _told(batch: Batch) -> str:
    """The examples of a batch, for an error."""
    names = [example.id[:12] for example in batch.examples]
    return f"example {', '.join(names[:3])}{f' and {len(names) - 3} more of its batch' if len(names) > 3 else ''}"


def _checked(total: Any, name: str, where: str) -> torch.Tensor:
    """What a loss gave, where it can be learned from; whether it is finite is asked of every loss elsewhere."""
    given = f"{total!r:.60}"
    if isinstance(total, torch.Tensor):
        if total.dim() == 0 and (total.requires_grad or not torch.is_grad_enabled()):
            return total
        given = f"a tensor of shape {tuple(total.shape)}" if total.dim() else "a number without a gradient"
    raise RequestError(
        f"the loss {name} gave {given}",
        where=where,
        expected="the sum of the losses of all tokens: a tensor without dimensions, with a gradient",
        mend=f"mend {name}; it is given logits (N, V) and targets (N)",
    )


def _dft(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Each token's cross-entropy weighed by its own probability, through which no gradient flows (2508.05629)."""
    nll = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none", ignore_index=IGNORED)
    return (nll * torch.exp(-nll.detach())).sum()
