"""A place in a text that holds personal data or a secret, and which of several claims to one place is kept."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from typing import NamedTuple

from kamerton.recipe.privacy import PrivacyKind

__all__ = ["Span", "without_overlaps"]

# What is sure of itself comes first: a marked block, a known prefix, a check digit over many digits.
_ORDER: tuple[PrivacyKind, ...] = (
    *("private_key", "api_key", "token", "password"),
    *("iban", "card", "pesel", "nip", "regon"),
    *("email", "phone", "address", "name"),
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}


class Span(NamedTuple):
    """One find: `text` stands at `start:end`, in code points, of the text that was searched."""

    kind: PrivacyKind
    start: int
    end: int
    text: str
    identity: str = ""
    """By what the person is known, where that is not the text itself: the base form of an inflected name."""


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """The spans in the order of the text; of two that share a place the surer kind stays, then the longer one."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (_RANK[span.kind], span.start - span.end, span.start)):
        place = bisect(kept, span.start, key=lambda other: other.start)
        free_before = place == 0 or kept[place - 1].end <= span.start
        if free_before and (place == len(kept) or span.end <= kept[place].start):
            kept.insert(place, span)
    return kept
