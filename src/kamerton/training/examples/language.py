"""Examples of next-token prediction: answers of conversations (`sft`), and texts end to end (`pretrain`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kamerton.chat import Message, Tokens
from kamerton.data.rows import Row, RowKind
from kamerton.ground.rng import draw
from kamerton.recipe import PretrainObjective, SftObjective
from kamerton.training.examples.builder import Builder
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet, TokenSequence

__all__ = ["Answers", "Texts"]


class Answers(Builder):
    """Answers of conversations, one example a row, cut at `max_length`."""

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"text", "conversation"})

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

    @property
    def _learn_from(self) -> str:
        assert isinstance(self.options.objective, SftObjective)
        return self.options.objective.learn_from


class Texts(Builder):
    """Texts one after the other, parted into sequences of exactly `max_length` tokens.

    The last incomplete sequence is kept, one of prompt alone is not. Texts of one weight stand together, so that a
    sequence has the weight of its texts.
    """

    kinds: ClassVar[frozenset[RowKind]] = frozenset({"text", "conversation"})

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
