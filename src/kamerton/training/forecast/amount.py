"""How much there is to learn from: rows as numbers of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kamerton.data.rows import Row
from kamerton.recipe import Recipe
from kamerton.training.examples import Example, ExampleSet
from kamerton.training.order import plan_steps

__all__ = ["Amount", "counted", "reckoned"]

_NONE = Example("", ())
"""Stands for the rows of a recipe whose data cannot be read."""

_LETTERS = 3.5
"""Letters of a token, about, where there is no tokenizer."""


@dataclass(frozen=True)
class Amount:
    """Steps of a run, and what each of them sees."""

    sequences: int
    """Examples of the training part."""
    tokens: int
    """Of an average epoch."""
    trained: int | None
    """Of `tokens`, those that are learned; None where rows were not rendered."""
    longest: int
    """Tokens of the longest example."""
    steps: int
    epochs: float
    """Passes over the training part."""
    judged: int
    """Tokens of the validation part."""
    judged_sequences: int
    validations: int
    checkpoints: int
    cut_share: float = 0.0

    @property
    def seen(self) -> float:
        """Tokens of the whole run."""
        return self.tokens * self.epochs


def counted(recipe: Recipe, rows: int, train: ExampleSet, validation: ExampleSet) -> Amount:
    """Of examples as training will see them."""
    cut = (len(train.cut) + len(train.masked)) / max(rows, 1)
    share = cut if recipe.training.objective.kind != "pretrain" else 0.0
    return _amount(recipe, train.examples, validation.examples, train.tokens, train.trained_tokens, share)


def reckoned(
    recipe: Recipe,
    rows: Mapping[str, Sequence[Row]],
    weights: Sequence[float] | None,
    count: Callable[[Sequence[Row]], list[int]] | None,
    limit: int,
) -> Amount:
    """Of rows that are not rendered: their tokens are counted, and are cut where training would cut them.

    Args:
        count: tokens of each row; without it, a token is 3.5 letters.
        limit: tokens of the longest sequence.
    """
    kind = recipe.training.objective.kind
    parts = {}
    for name in ("train", "validation"):
        part = rows.get(name, [])
        lengths = count(part) if count else [_letters(row) for row in part]
        seen = weights if name == "train" and weights is not None else [1.0] * len(part)
        if kind == "pretrain":
            whole = sum(lengths)
            lengths = [limit] * (whole // limit) + ([whole % limit] if whole % limit else [])
            seen = [1.0] * len(lengths)
        times = max(len(part[0].ranked) - 1, 1) * 2 if part and part[0].ranked else 1
        parts[name] = [
            _Sized(f"{name}{number}", (), weight, value=times * min(length, limit))
            for number, (length, weight) in enumerate(zip(lengths, seen, strict=True))
        ]
    tokens = round(sum(each.weight * each.length for each in parts["train"]))
    return _amount(recipe, parts["train"], parts["validation"], tokens, None, 0.0)


class _Sized(Example):
    """An example of which the number of tokens alone is known."""

    @property
    def length(self) -> int:
        return int(self.value)


def _letters(row: Row) -> int:
    if row.text is not None:
        return math.ceil(len(row.text) / _LETTERS) + 2
    turns = row.conversation
    return sum(math.ceil(len(turn["content"]) / _LETTERS) + 5 for turn in turns)


def _amount(
    recipe: Recipe,
    train: Sequence[Example],
    validation: Sequence[Example],
    tokens: int,
    trained: int | None,
    cut: float,
) -> Amount:
    options = recipe.training
    plan = plan_steps(train or [_NONE], options)
    every = options.evaluate_every or plan.steps_per_epoch
    return Amount(
        sequences=len(train),
        tokens=tokens,
        trained=trained,
        longest=max((example.length for example in train), default=0),
        steps=plan.steps,
        epochs=plan.steps / max(plan.steps_per_epoch, 1),
        judged=sum(example.length for example in validation),
        judged_sequences=len(validation),
        validations=math.ceil(plan.steps / every) if validation else 0,
        checkpoints=math.ceil(plan.steps / options.checkpoint_every),
        cut_share=cut,
    )
