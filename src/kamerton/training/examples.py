"""From rows to token sequences, with what was cut or cannot be learned from in the open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kamerton.chat import ChatFormat, Message, Tokens
from kamerton.data.rows import OBJECTIVES, Row
from kamerton.ground.errors import DataError
from kamerton.ground.rng import draw
from kamerton.models.load import LoadedModel
from kamerton.recipe import TrainingSection

__all__ = ["Example", "ExampleSet", "build_examples", "training_examples"]


@dataclass(frozen=True, slots=True)
class Example:
    """One training sequence of T tokens; `labels` are -100 where nothing is learned."""

    id: str
    ids: list[int]
    labels: list[int]
    weight: float = 1.0
    """How often an epoch shows it, on the average."""


@dataclass(frozen=True)
class ExampleSet:
    """The sequences of one part, and what happened on the way."""

    examples: list[Example]
    cut: list[str] = field(default_factory=list)
    """Row hashes of rows longer than `max_length`; they are learned from as far as they go."""
    masked: list[str] = field(default_factory=list)
    """Row hashes of rows with nothing left to learn from; they are left out."""

    @property
    def tokens(self) -> int:
        """Tokens of an average epoch."""
        return round(sum(example.weight * len(example.ids) for example in self.examples))

    @property
    def trained_tokens(self) -> int:
        """Tokens that an average epoch learns."""
        return round(sum(each.weight * sum(label != -100 for label in each.labels[1:]) for each in self.examples))


def training_examples(
    options: TrainingSection, rows: Sequence[Row], loaded: LoadedModel, weights: Sequence[float] | None = None
) -> ExampleSet:
    """`build_examples` for a model as `training:` asks, no longer than the model's context."""
    return build_examples(
        rows,
        loaded.format,
        options.objective,
        min(options.max_length, loaded.context),
        seed=options.seed,
        chat_share=options.chat_share,
        weights=weights,
    )


def build_examples(
    rows: Sequence[Row],
    chat: ChatFormat,
    objective: str,
    max_length: int,
    *,
    seed: int = 0,
    chat_share: float = 0.0,
    weights: Sequence[float] | None = None,
) -> ExampleSet:
    """Render rows for an objective.

    `sft`: one sequence a row, cut at `max_length`. `pretrain`: texts one after the other in the order given,
    parted into sequences of exactly `max_length` tokens; the last incomplete one is kept, one of prompt alone is not.

    Args:
        weights: how often an epoch shows each row; None shows each once. `pretrain` puts texts of one weight together,
            so that a sequence has the weight of its texts.

    Raises:
        DataError: no row leaves anything to learn from, or rows of judged answers, which want another objective.
    """
    _check_kinds(rows, objective)
    chosen = [1.0] * len(rows) if weights is None else weights
    if objective == "pretrain":
        built = ExampleSet(_pretrain(rows, chosen, chat, max_length, seed, chat_share))
    else:
        built = _sft(rows, chosen, chat, max_length)
    if not built.examples and rows:
        raise DataError(
            "no row leaves anything to learn from",
            expected=f"answers within the first {max_length} tokens",
            mend="raise training.max_length, or look at kamerton data check",
        )
    return built


def _check_kinds(rows: Sequence[Row], objective: str) -> None:
    for row in rows:
        if row.kind in OBJECTIVES:
            raise DataError(
                f"the row is {row.kind}, and the objective {objective} learns from one answer",
                where=f"{row.file}:{row.line}" if row.file else "",
                expected=f"the objective {OBJECTIVES[row.kind]}, which this version does not have yet, or other rows",
                mend="take the rows out of data.train, or map them: data.columns={prompt: COLUMN, answer: COLUMN}",
            )


def _rendered(row: Row, chat: ChatFormat) -> Tokens:
    return chat.conversation(list(row.messages or ()), tools=row.tools)


def _sft(rows: Sequence[Row], weights: Sequence[float], chat: ChatFormat, max_length: int) -> ExampleSet:
    built = ExampleSet([])
    seen: Counter[str] = Counter()
    for row, weight in zip(rows, weights, strict=True):
        whole = chat.text(row.text) if row.text is not None else _rendered(row, chat)
        tokens = whole.first(max_length)
        if not tokens.trained_count:
            built.masked.append(row.row_hash)
            continue
        if tokens.cut:
            built.cut.append(row.row_hash)
        built.examples.append(Example(f"{row.row_hash}:{seen[row.row_hash]}", tokens.ids, tokens.labels(), weight))
        seen[row.row_hash] += 1
    return built


def _pretrain(
    rows: Sequence[Row], weights: Sequence[float], chat: ChatFormat, max_length: int, seed: int, chat_share: float
) -> list[Example]:
    streams: dict[float, tuple[list[int], list[int]]] = {weight: ([], []) for weight in sorted(set(weights))}
    for row, weight in zip(rows, weights, strict=True):
        tokens = _dressed(row, chat, seed, chat_share)
        ids, labels = streams[weight]
        ids += tokens.ids
        labels += tokens.labels()
    pieces = [
        (ids[start : start + max_length], labels[start : start + max_length], weight)
        for weight, (ids, labels) in streams.items()
        for start in range(0, len(ids), max_length)
    ]
    examples = [Example(str(number), *piece) for number, piece in enumerate(pieces)]
    # A sequence of prompt alone teaches nothing, and a step of such sequences would have no loss.
    return [example for example in examples if any(label != -100 for label in example.labels[1:])]


def _dressed(row: Row, chat: ChatFormat, seed: int, chat_share: float) -> Tokens:
    """A text as it is or, for a share of the texts, parted in two: a user's turn and an answer that goes on with it."""
    if row.text is None:
        return _rendered(row, chat)
    words = row.text.split(" ")
    if len(words) < 8 or draw(seed, "chat_share", row.row_hash) >= chat_share:
        return chat.text(row.text)
    place = 1 + int(draw(seed, "chat_place", row.row_hash) * (len(words) // 2))
    turns: list[Message] = [
        {"role": "user", "content": " ".join(words[:place])},
        {"role": "assistant", "content": " ".join(words[place:])},
    ]
    return chat.conversation(turns)
