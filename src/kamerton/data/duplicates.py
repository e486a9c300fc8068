"""Clusters of alike rows: equal, nearly equal, or of one group.

MinHash with banding finds candidate pairs (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
chapter 3), the true Jaccard similarity decides, union-find makes the clusters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from kamerton.data.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["near_duplicate_clusters", "normalised"]

_NGRAM = 3
_PERMUTATIONS = 128
_SEED = 1
_CHUNK = 8192
_RECALL = 0.999
"""Least probability that a pair just at the threshold becomes a candidate."""
_CROWD = 100
"""Texts in a bucket from which each is compared with one text per cluster only, or the work would be quadratic."""

_WORD = re.compile(r"\w+")
_MARKS = re.compile("[\u0300-\u036f]")
_STROKES = (("ł", "l"), ("đ", "d"), ("ø", "o"), ("ħ", "h"))
"""Letters with a stroke, which Unicode does not take apart."""


def near_duplicate_clusters(rows: Sequence[Row], similarity: float) -> list[int]:
    """A cluster number for each row; equal numbers must not be parted by a split.

    Two rows are in one cluster when the Jaccard similarity of the sets of word 3-grams of their texts is at least
    `similarity`, when they share a non-empty `group`, or when a chain of such rows joins them. Texts are compared
    in lower case and without diacritics or punctuation; one of fewer than three words must be equal.

    The text of a conversation is its turns before the last answer, without the system turn. A leak is a question
    that training has seen: the same question with two answers is one, and two questions that share a form letter
    or a label as their answer are not; a system turn is often the same in every row. The text of a plain text is
    all of it.

    The clusters depend on the set of rows alone, and are numbered in the order of their first rows. A pair just at
    the threshold is found with a probability of at least 0.999, a closer one with more.
    """
    places: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(normalised(_compared(row)), []).append(index)
    texts = sorted(places)
    unions = _Unions(len(rows))
    if similarity < 1.0:
        for one, other in _near(texts, similarity):
            unions.join(places[texts[one]][0], places[texts[other]][0])
    for indices in places.values():
        for index in indices[1:]:
            unions.join(indices[0], index)
    groups: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row.group:
            unions.join(groups.setdefault(row.group, index), index)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(unions.root(index), len(numbers)) for index in range(len(rows))]


def normalised(text: str) -> str:
    """The words of a text in lower case without diacritics, with one space between; the text itself if it has none."""
    folded = text.casefold()
    if not folded.isascii():
        for letter, plain in _STROKES:
            folded = folded.replace(letter, plain)
        folded = _MARKS.sub("", unicodedata.normalize("NFKD", folded))
    return " ".join(_WORD.findall(folded)) or text.strip()


def _compared(row: Row) -> str:
    if row.text is not None:
        return row.text
    return "\n".join(message["content"] for message in row.prompt if message["role"] != "system")


def _shingles(text: str) -> frozenset[str]:
    """The set of word 3-grams; of a text with fewer words, the text itself."""
    words = text.split(" ")
    if len(words) < _NGRAM:
        return frozenset((text,))
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def _near(texts: Sequence[str], similarity: float) -> Iterator[tuple[int, int]]:
    """Pairs of positions whose similarity reaches the threshold; enough of them to join each cluster."""
    unions = _Unions(len(texts))

    @lru_cache(maxsize=4096)
    def shingles(position: int) -> frozenset[str]:
        return _shingles(texts[position])

    def alike(one: int, other: int) -> bool:
        first, second = shingles(one), shingles(other)
        common = len(first & second)
        return common >= similarity * (len(first) + len(second) - common)

    long_texts = [position for position, text in enumerate(texts) if text.count(" ") >= _NGRAM - 1]
    for bucket in _buckets([texts[position] for position in long_texts], similarity):
        compared: list[int] = []
        for member in (long_texts[position] for position in bucket):
            known = False
            for other in compared:
                if unions.root(other) == unions.root(member):
                    known = True
                elif alike(other, member):
                    unions.join(other, member)
                    known = True
                    yield other, member
            if not known or len(bucket) <= _CROWD:
                compared.append(member)


def _buckets(texts: Sequence[str], similarity: float) -> Iterator[list[int]]:
    """Positions that agree in one band of their MinHash signatures, for each band."""
    if len(texts) < 2:
        return
    import numpy as np

    signatures = _signatures(texts)
    width = _band_width(similarity)
    for start in range(0, _PERMUTATIONS - width + 1, width):
        band = np.ascontiguousarray(signatures[:, start : start + width])
        keys = band.view(np.dtype((np.void, band.dtype.itemsize * width))).ravel()
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
        shared = np.diff(edges) > 1
        for first, last in zip(edges[:-1][shared], edges[1:][shared], strict=True):
            yield order[first:last].tolist()


def _signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """MinHash signatures, (texts, permutations)."""
    import numpy as np
    from rensa import RMinHash

    chunks = []
    for start in range(0, len(texts), _CHUNK):
        tokens = [list(_shingles(text)) for text in texts[start : start + _CHUNK]]
        matrix = RMinHash.digest_matrix_from_token_sets(tokens, _PERMUTATIONS, _SEED)
        chunks.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return np.concatenate(chunks)


def _band_width(similarity: float) -> int:
    """The widest band with which a pair at the threshold still meets in one with probability `_RECALL`.

    With b bands of r values, two sets of similarity s meet with probability 1 - (1 - s^r)^b.
    """
    width = 1
    for candidate in range(2, _PERMUTATIONS + 1):
        if 1.0 - (1.0 - similarity**candidate) ** (_PERMUTATIONS // candidate) >= _RECALL:
            width = candidate
    return width


class _Unions:
    """Disjoint sets of 0..n-1."""

    def __init__(self, count: int) -> None:
        self._parents = list(range(count))

    def root(self, item: int) -> int:
        parents = self._parents
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    def join(self, one: int, other: int) -> None:
        first, second = self.root(one), self.root(other)
        self._parents[max(first, second)] = min(first, second)
