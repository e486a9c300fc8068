"""Names of persons, by a spaCy model that the user brings (`pip install kamerton[names]`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from kamerton.data.privacy.spans import Span
from kamerton.ground.errors import DataError
from kamerton.ground.need import need

__all__ = ["INVENTED_SURNAMES", "find_names"]

INVENTED_SURNAMES = ("mirzecki", "mirzecka")
"""Endings of the surnames that pseudonyms have: nobody bears them, and they are not found again."""

_PERSON = frozenset(("PERSON", "PER", "persName"))


def find_names(texts: Sequence[str], model: str) -> Iterator[list[Span]]:
    """The persons named in each text, with their base form as identity (`Jana Kowalskiego`: `Jan Kowalski`).

    Raises:
        MissingExtraError: spaCy is not installed.
        DataError: there is no such model, or it marks no entities.
    """
    for document in _load(model).pipe(texts, batch_size=64):
        yield [
            Span("name", entity.start_char, entity.end_char, entity.text, entity.lemma_.strip() or entity.text)
            for entity in document.ents
            if entity.label_ in _PERSON and not entity.text.lower().endswith(INVENTED_SURNAMES)
        ]


@cache
def _load(model: str) -> Any:
    spacy = need("spacy", "names")
    if not model:
        raise DataError(
            "names are to be found, and no model of names is given",
            where="data.privacy.names_model",
            expected="folder or name of a spaCy model",
            mend="--set data.privacy.names_model=pl_core_news_sm",
        )
    try:
        pipeline = spacy.load(model, exclude=["parser"])
    except (OSError, ValueError) as error:
        raise DataError(
            "the model of names cannot be opened",
            where=f"data.privacy.names_model: {model}",
            expected="folder or name of an installed spaCy model",
            mend=f"python -m spacy download {model}",
        ) from error
    if not {"ner", "entity_ruler"} & set(pipeline.pipe_names):
        raise DataError(
            "the model of names marks no entities",
            where=f"data.privacy.names_model: {model}",
            expected="a spaCy pipeline with `ner` or `entity_ruler`",
        )
    return pipeline
