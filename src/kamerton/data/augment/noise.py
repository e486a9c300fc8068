"""What people do on a keyboard: slips of the finger, Polish letters without their marks, lost capitals."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["FAULTS", "with_noise"]

_WORD = re.compile(r"[^\W\d_]{2,}")
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLAIN: Final = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")


def _neighbours() -> dict[str, str]:
    """For each key those that touch it; the rows of a keyboard are shifted by half a key."""
    near: dict[str, str] = {}
    for number, row in enumerate(_ROWS):
        for place, key in enumerate(row):
            around = row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
            if number:
                around += _ROWS[number - 1][place : place + 2]
            if number + 1 < len(_ROWS):
                around += _ROWS[number + 1][max(place - 1, 0) : place + 1]
            near[key] = around
    return near


_NEAR: Final = _neighbours()


def _typo(word: str, chance: random.Random) -> str:
    """One slip: two letters swapped, one left out, doubled, or hit beside its key."""
    place = chance.randrange(len(word) - 1)
    slip = chance.choice(("swap", "omit", "double", "beside"))
    letter = word[place]
    if slip == "swap":
        return word[:place] + word[place + 1] + letter + word[place + 2 :]
    if slip == "omit":
        return word[:place] + word[place + 1 :]
    if slip == "double":
        return word[: place + 1] + letter + word[place + 1 :]
    hit = chance.choice(_NEAR.get(letter.lower().translate(_PLAIN), letter))
    return word[:place] + (hit.upper() if letter.isupper() else hit) + word[place + 1 :]


def _diacritics(word: str, chance: random.Random) -> str:
    return word.translate(_PLAIN)


def _case(word: str, chance: random.Random) -> str:
    """Capitals are lost; a word without any is shouted, now and then."""
    lowered = word.lower()
    return lowered if lowered != word or chance.random() < 0.8 else word.upper()


FAULTS: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "typos": _typo,
    "diacritics": _diacritics,
    "case": _case,
}


def with_noise(text: str, faults: Sequence[str], rate: float, chance: random.Random) -> str:
    """The text with about `rate` of its words spoilt, one at least; numbers and signs stay as they are.

    A fault that changes nothing in a word (no Polish letter, no capital) is tried on another.
    """
    words = list(_WORD.finditer(text))
    wanted = max(1, round(rate * len(words)))
    spoilt: dict[int, str] = {}
    for place in chance.sample(range(len(words)), len(words)):
        if len(spoilt) >= wanted:
            break
        word = words[place][0]
        for fault in chance.sample(list(faults), len(faults)):
            new = FAULTS[fault](word, chance)
            if new != word:
                spoilt[place] = new
                break
    pieces, end = [], 0
    for place, found in enumerate(words):
        pieces += [text[end : found.start()], spoilt.get(place, found[0])]
        end = found.end()
    return "".join([*pieces, text[end:]])
