"""`data.augment:` more training rows, made from those that are there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kamerton.recipe.base import Section

__all__ = ["Augmentation", "BackTranslation", "Noise", "Paraphrase", "Substitution", "Templates"]

Copies = Annotated[int, Field(ge=1, le=20)]
Share = Annotated[float, Field(gt=0.0, le=1.0)]


class _Augmentation(Section):
    share: Share = 1.0
    """Share of the training rows that are augmented; which ones is a function of the recipe's seed and the row."""
    copies: Copies = 1
    """New rows for each row that is augmented."""


class Templates(_Augmentation):
    """The same question asked in other words around it."""

    kind: Literal["templates"]
    """How the new rows are made."""
    templates: Annotated[list[str], Field(min_length=1)]
    """Texts with `{prompt}`, such as `Odpowiedz krótko: {prompt}`."""


class Noise(_Augmentation):
    """What people do on a keyboard; answers stay as they are."""

    kind: Literal["noise"]
    """How the new rows are made."""
    faults: list[Literal["typos", "diacritics", "case"]] = ["typos", "diacritics", "case"]
    """`typos` hits neighbouring keys, `diacritics` leaves out Polish marks, `case` loses capital letters."""
    rate: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05
    """Share of the words that get a fault."""


class Substitution(_Augmentation):
    """Phrases of a domain replaced by others that mean the same."""

    kind: Literal["substitution"]
    """How the new rows are made."""
    table: str
    """CSV file with the columns `phrase` and `replacement`; a phrase may stand in several lines."""


class Paraphrase(_Augmentation):
    """The question said in other words by a model."""

    kind: Literal["paraphrase"]
    """How the new rows are made."""
    model: str
    """A MODEL: a path, run, registry name, or `URL#model` of an OpenAI-compatible endpoint."""
    instruction: str = ""
    """What the model is asked, with `{text}`; empty takes one in the language of the row."""
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    """Longest paraphrase."""


class BackTranslation(_Augmentation):
    """The question translated there and back by a model."""

    kind: Literal["back_translation"]
    """How the new rows are made."""
    model: str
    """A MODEL, as for `paraphrase`."""
    through: str = "en"
    """Language in between (ISO 639-1)."""
    max_new_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    """Longest translation."""


Augmentation = Annotated[Templates | Noise | Substitution | Paraphrase | BackTranslation, Field(discriminator="kind")]
