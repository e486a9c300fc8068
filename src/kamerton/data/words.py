"""Texts as arrays of hashed words: what duplicates and leaks are found by.

A word's hash is 64 bits of its letters as `normalised` leaves them, a run's is 64 bits of its words' hashes. Both are
polynomials modulo 2^64 (Karp and Rabin 1987), taken from prefix sums, so that a run of any length costs the same.
Equal runs have equal hashes; what rests on two hashes being equal is looked at again in the words themselves
where an error would matter.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HashedWords", "distinct", "hashed_words", "normalised", "run_hashes", "span_hashes"]

_WORD = re.compile(r"\w+")
_MARKS = re.compile("[\u0300-\u036f]")
_STROKES = (("ł", "l"), ("đ", "d"), ("ø", "o"), ("ħ", "h"))
"""Letters with a stroke, which Unicode does not take apart."""

_CHUNK = 1 << 15
"""Characters that are hashed at once: the arrays stay in the processor's cache."""
_BLOCK = 1 << 14
"""Words of which runs are hashed at once, for the same reason."""
_BASE = 0x9E3779B97F4A7C1B
"""Odd, so that a power has an inverse; and 3 modulo 8, so that base - 1 and base + 1 lose few bits."""
_SEPARATOR, _UNKNOWN, _MANY = 0, 1, 2
"""Stand-ins in the table of letters; no letter's number is so small."""


def normalised(text: str) -> str:
    """The words of a text in lower case without diacritics, with one space between; the text itself if it has none."""
    return " ".join(_WORD.findall(_fold(text))) or text.strip()


def _fold(text: str) -> str:
    """Letter by letter, and folding again changes nothing: `hashed_words` rests on both."""
    folded = text.casefold()
    if not folded.isascii():
        folded = _MARKS.sub("", unicodedata.normalize("NFKD", folded)).casefold()
        for letter, plain in _STROKES:
            folded = folded.replace(letter, plain)
    return folded


@dataclass(frozen=True)
class HashedWords:
    """The words of some texts, one after another."""

    words: NDArray[np.uint64]
    """One hash a word of `normalised(text)`; a text without words has one, of itself."""
    starts: NDArray[np.int64]
    """(texts + 1): where each text's words begin, and the end."""
    texts: NDArray[np.uint64]
    """One hash a text, of all its words."""


def hashed_words(texts: Sequence[str]) -> HashedWords:
    """The words of each text."""
    import numpy as np

    words, whole = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.uint64)]
    counts = [np.zeros(1, dtype=np.int64)]
    for chunk in _chunks(texts):
        found, count = _hash_chunk(chunk)
        words.append(found)
        counts.append(count)
        stops = np.cumsum(count)
        whole.append(span_hashes(found, stops - count, stops))
    return HashedWords(np.concatenate(words), np.cumsum(np.concatenate(counts)), np.concatenate(whole))


def run_hashes(items: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    """Hash of the run of `length` items from each position on; empty where there are fewer items."""
    import numpy as np

    runs = np.empty(max(len(items) - length + 1, 0), dtype=np.uint64)
    for start in range(0, len(runs), _BLOCK):
        part = runs[start : start + _BLOCK]
        sums, inverses = _sums(items[start : start + len(part) + length - 1])
        np.multiply(sums[length:] - sums[:-length], inverses[: len(part)], out=part)
    return runs


def span_hashes(items: NDArray[np.uint64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash of the items from each `first` up to, without, its `last`."""
    sums, inverses = _sums(items)
    return (sums.take(last) - sums.take(first)) * inverses.take(first)


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sorted values, each once; np.unique hashes integers, which takes several times as long."""
    import numpy as np

    ordered = np.sort(values)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))]


def _sums(items: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Sum of the first n items, each times its power of the base, for each n; and the powers' inverses."""
    import numpy as np

    powers, inverses = _powers(1 << max(len(items), 1).bit_length())
    sums = np.zeros(len(items) + 1, dtype=np.uint64)
    np.cumsum(items * powers[: len(items)], out=sums[1:])
    return sums, inverses


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Runs of texts of about `_CHUNK` characters."""
    import numpy as np

    reached = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    start = size = 0
    while start < len(texts):
        stop = int(np.searchsorted(reached, size + _CHUNK)) + 1
        yield texts[start:stop]
        start, size = stop, int(reached[min(stop, len(texts)) - 1])


def _hash_chunk(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The words' hashes, and how many words each text has."""
    import numpy as np

    letters, ends, many = _letters(texts)
    if many.size:
        # A letter that folds to none or to several: such a text is folded as a whole, and then has no more of them.
        plain = list(texts)
        for place in np.unique(np.searchsorted(ends, many, side="right")).tolist():
            plain[place] = " ".join(_WORD.findall(normalised(texts[place])))
        letters, ends, _ = _letters(plain)
    inside = letters != _SEPARATOR
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    edges = np.concatenate(([0], edges)) if inside[0] else edges
    first, last = edges[::2], edges[1::2]
    words = _mixed(span_hashes(letters, first, last))
    counts = np.diff(np.searchsorted(first, ends), prepend=0)
    if (empty := np.flatnonzero(counts == 0)).size:
        own = [_hash_of(texts[place].strip()) for place in empty.tolist()]
        words = np.insert(words, np.cumsum(counts)[empty], np.array(own, dtype=np.uint64))
        counts[empty] = 1
    return words, counts


def _letters(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """A number for each letter of the texts, with a separator after each text; where each text ends; and where the
    letters stand that fold to none or to several."""
    import numpy as np

    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    codes = np.frombuffer(" ".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    table = _table()
    letters, many = table.take(codes), np.zeros(0, dtype=np.int64)
    # Both stand-ins in one look, as 0 becomes the largest number.
    if (letters - np.uint64(_UNKNOWN) <= _MANY - _UNKNOWN).any():
        for code in np.unique(codes[letters == _UNKNOWN]).tolist():
            table[code] = _letter(chr(code))
        letters = table.take(codes)
        many = np.flatnonzero(letters == _MANY)
    return letters, np.cumsum(lengths + 1), many


def _letter(character: str) -> int:
    """The number of what a character folds to."""
    folded = _fold(character)
    if len(folded) == 1:
        return _hash_of(folded) if _WORD.match(folded) else _SEPARATOR
    return _MANY if _WORD.search(folded) or not folded else _SEPARATOR


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint64]:
    """Number of each code point, filled in as they occur: most of Unicode never does."""
    import numpy as np

    return np.full(sys.maxunicode + 1, _UNKNOWN, dtype=np.uint64)


def _hash_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") | 4


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes with all bits depending on all (the finaliser of SplitMix64; Steele, Lea, Flood 2014)."""
    import numpy as np

    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


@lru_cache(maxsize=4)
def _powers(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of the base modulo 2^64, and their inverses."""
    import numpy as np

    inverse = pow(_BASE, -1, 1 << 64)
    powers = np.full(size, _BASE, dtype=np.uint64)
    inverses = np.full(size, inverse, dtype=np.uint64)
    powers[0] = inverses[0] = 1
    return np.cumprod(powers, out=powers), np.cumprod(inverses, out=inverses)
