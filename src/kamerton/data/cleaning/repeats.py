"""Rows that say the same as an earlier one, or nearly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kamerton.data.duplicates import near_duplicate_clusters, normalised
from kamerton.data.rows import Row

__all__ = ["equal_rows", "nearly_equal_rows"]

_COMPARED = 200
"""Kept rows of a cluster that each further one is compared with, or a set of one form letter would take for ever."""


def equal_rows(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """The positions of each row that repeats an earlier one, and of that one."""
    firsts: dict[tuple[str, ...], int] = {}
    others: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        first = firsts.setdefault(tuple(row.texts), place)
        if first == place:
            continue
        # Hashing every row would cost far more than asking for the hashes of those with the same texts.
        alike = (first, *others.get(first, ()))
        same = next((other for other in alike if rows[other].row_hash == row.row_hash), None)
        if same is None:
            others.setdefault(first, []).append(place)
        else:
            yield place, same


def nearly_equal_rows(rows: Sequence[Row], similarity: float) -> Iterator[tuple[int, int]]:
    """The positions of each row of which all turns together are as alike to an earlier row, and of that one.

    Alike is a Jaccard similarity of the sets of word 3-grams of at least `similarity`. The earlier row is one that does
    not repeat another itself: a chain of rows, each a little different, is not taken for one.
    """
    whole = [Row(text="\n".join(row.texts)) for row in rows]
    clusters = near_duplicate_clusters(whole, similarity)
    sizes: dict[int, int] = {}
    for cluster in clusters:
        sizes[cluster] = sizes.get(cluster, 0) + 1
    kept: dict[int, list[tuple[int, frozenset[str]]]] = {}
    for place, cluster in enumerate(clusters):
        if sizes[cluster] == 1:
            continue
        shingles = _shingles(whole[place].answer)
        earlier = kept.setdefault(cluster, [])
        first = next((other for other, known in earlier if _alike(shingles, known, similarity)), None)
        if first is not None:
            yield place, first
        elif len(earlier) < _COMPARED:
            earlier.append((place, shingles))


def _alike(one: frozenset[str], other: frozenset[str], similarity: float) -> bool:
    common = len(one & other)
    return common >= similarity * (len(one) + len(other) - common)


def _shingles(text: str) -> frozenset[str]:
    """The set of word 3-grams; of a text with fewer words, the text itself."""
    words = normalised(text).split(" ")
    if len(words) < 3:
        return frozenset((" ".join(words),))
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))
