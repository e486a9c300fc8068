"""What alarms are told of the rows: their languages, and the general set that forgetting is measured on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

from kamerton.data import Row
from kamerton.data.cleaning.language import language_of
from kamerton.flows.sources import whole_rows
from kamerton.ground.errors import MissingExtraError
from kamerton.ground.rng import shuffled
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe

if TYPE_CHECKING:
    from kamerton.chat import ChatFormat
    from kamerton.training.examples import Example

__all__ = ["GENERAL", "general_examples", "general_rows", "language_facts"]

GENERAL = "general"
"""The part that forgetting is measured on, beside `train` and `validation`."""

_SAMPLE = 200
_FEWEST_LETTERS = 40
_MOST_ROWS = 64
_TOKENS = 160


def language_facts(rows: Sequence[Row], seed: int) -> dict[str, int]:
    """How many rows of a sample have languages that can be told, and in how many the answer's is another one.

    Without the extra `language` only Polish and English texts with common words can be told.
    """
    order = shuffled([row.row_hash for row in rows], seed, "languages")[:_SAMPLE]
    judged = mixed = 0
    for row in (rows[index] for index in order):
        if row.messages is None or min(len(row.question), len(row.answer)) < _FEWEST_LETTERS:
            continue
        spoken = [_language(text) for text in (row.question, row.answer)]
        if None not in spoken:
            judged += 1
            mixed += spoken[0] != spoken[1]
    return {"judged": judged, "mixed": mixed}


def _language(text: str) -> str | None:
    try:
        return language_of(text)
    except MissingExtraError:
        return None


def general_rows(recipe: Recipe, workspace: Workspace) -> list[Row]:
    """`training.alarms.forgetting_set`, `evaluation.sets.general`, or 24 of the packaged texts; at most 64."""
    if recipe.training.objective.kind in {"reward", "classification"}:
        return []  # a model with another head predicts no text
    if recipe.model.architecture is not None or recipe.training.alarms.forgetting == "off":
        return []  # random weights have nothing to forget
    sources = recipe.training.alarms.forgetting_set or recipe.evaluation.sets.get("general")
    if sources:
        return whole_rows(sources, workspace)[:_MOST_ROWS]
    file = resources.files("kamerton") / "samples" / "town_hall" / "general.jsonl"
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    return [Row(text=text) for number, text in enumerate(texts) if number % 5 in {0, 2}]  # 16 Polish, 8 English


def general_examples(rows: Sequence[Row], chat: ChatFormat) -> list[Example]:
    """The general set as examples, cut at 160 tokens; what has nothing to predict is left out."""
    from kamerton.training.examples import Example, TokenSequence

    examples = []
    for number, row in enumerate(rows):
        tokens = chat.text(row.text) if row.text is not None else chat.conversation(list(row.messages or ()))
        tokens = tokens.first(_TOKENS)
        if tokens.trained_count:
            examples.append(Example(f"general:{number}", (TokenSequence.of(tokens.ids, tokens.labels()),)))
    return examples
