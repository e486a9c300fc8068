"""What a training learns from: rows as token sequences, one kind of examples for each kind of objective."""

from __future__ import annotations

from kamerton.recipe import TrainingSection
from kamerton.training.examples.builder import Builder, TextModel
from kamerton.training.examples.example import Example, ExampleIds, ExampleSet, TokenSequence
from kamerton.training.examples.labelled import Labelled
from kamerton.training.examples.language import Answers, Texts
from kamerton.training.examples.pairs import Pairs
from kamerton.training.examples.prompts import Prompts
from kamerton.training.examples.rated import Rated

__all__ = ["Builder", "Example", "ExampleIds", "ExampleSet", "TextModel", "TokenSequence", "builder_of"]

_BUILDERS: dict[str, type[Builder]] = {
    "pretrain": Texts,
    "sft": Answers,
    "dpo": Pairs,
    "orpo": Pairs,
    "simpo": Pairs,
    "reward": Pairs,
    "kto": Rated,
    "classification": Labelled,
    "grpo": Prompts,
}


def builder_of(options: TrainingSection, model: TextModel) -> Builder:
    """What makes the examples of a recipe's objective."""
    return _BUILDERS[options.objective.kind](options, model)
