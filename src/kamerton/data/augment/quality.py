"""Whether a rewritten question may stand for the one that it came from."""

from __future__ import annotations

import re
from collections import Counter

from kamerton.data.duplicates import normalised

__all__ = ["fault_of"]

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_SHORTEST, _LONGEST = 0.4, 2.5
"""A rewriting outside these shares of the original's words has lost or invented something."""


def fault_of(before: str, after: str, *, rewritten: bool) -> str | None:
    """Why a new question is refused; None for a good one.

    Args:
        rewritten: by a model, which may answer, shorten or invent; what the other steps do is known.
    """
    if not after.strip():
        return "empty"
    if before == after:
        return "unchanged"
    if not rewritten:
        return None
    if normalised(before) == normalised(after):
        return "unchanged"
    words = len(after.split()) / max(1, len(before.split()))
    if not _SHORTEST <= words <= _LONGEST:
        return "length"
    if Counter(_NUMBER.findall(before)) != Counter(_NUMBER.findall(after)):
        return "numbers"
    return None
