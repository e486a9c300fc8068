"""Clusters of alike rows: equal, nearly equal, or of one group.

MinHash with banding finds candidate pairs (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
chapter 3), the true Jaccard similarity decides, union-find makes the clusters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from kamerton.data.rows import Row
from kamerton.data.words import hashed_words, normalised, run_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["near_duplicate_clusters", "normalised"]

_NGRAM = 3
_PERMUTATIONS = 128
_SEED = 1
_CHUNK = 8192
"""Texts that are shingled at once."""
_BLOCK = 1 << 16
"""Shingles that signatures are taken of at once: they stay in the processor's cache."""
_RECALL = 0.999
"""Least probability that a pair just at the threshold becomes a candidate."""
_CROWD = 100
"""Texts in a bucket from which each is compared with one text per cluster only, or the work would be quadratic."""


def near_duplicate_clusters(rows: Sequence[Row], similarity: float) -> list[int]:
    """A cluster number for each row; equal numbers must not be parted by a split.

    Two rows are in one cluster when the Jaccard similarity of the sets of word 3-grams of their texts is at least
    `similarity`, when they share a non-empty `group`, when one was made from the other or both from a third
    (`augmented_from`), or when a chain of such rows joins them. Texts are compared in lower case and without diacritics
    or punctuation; one of fewer than three words must be equal. Words are compared by 64-bit hashes.

    The text of a conversation is its turns before the last answer, without the system turn. A leak is a question
    that training has seen: the same question with two answers is one, and two questions that share a form letter
    or a label as their answer are not; a system turn is often the same in every row. The text of a plain text is
    all of it.

    The clusters depend on the set of rows alone, and are numbered in the order of their first rows. A pair just at
    the threshold is found with a probability of at least 0.999, a closer one with more.
    """
    if not rows:
        return []
    unions = _Unions(len(rows))
    for one, other in _alike([row.question for row in rows], similarity):
        unions.join(one, other)
    groups: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row.group:
            unions.join(groups.setdefault(row.group, index), index)
    if any(row.augmented_from for row in rows):
        origins: dict[str, int] = {}
        for index, row in enumerate(rows):
            unions.join(origins.setdefault(row.augmented_from or row.row_hash, index), index)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(unions.root(index), len(numbers)) for index in range(len(rows))]


def _alike(texts: Sequence[str], similarity: float) -> Iterator[tuple[int, int]]:
    """Pairs of positions whose similarity reaches the threshold; enough of them to join each cluster."""
    import numpy as np

    hashes, counts, bands = _scan(texts, _bands(similarity) if similarity < 1.0 else (1, 0))
    # Of equal texts one is compared with others. The order by hash is not the order of the rows, nor do then the
    # pairs that a crowd leaves out depend on it.
    _, first, same = np.unique(hashes, return_index=True, return_inverse=True)
    for index, position in enumerate(first[same].tolist()):
        if index != position:
            yield position, index
    compared = first[counts[first] >= _NGRAM]
    unions = _Unions(len(texts))
    for band in bands:
        buckets = [bucket for bucket in _buckets(band, compared) if len(set(map(unions.root, bucket))) > 1]
        shingles = _Shingles(texts, sorted(set().union(*buckets)))
        for bucket in buckets:
            yield from _confirmed(bucket, shingles, similarity, unions)


def _scan(
    texts: Sequence[str], shape: tuple[int, int]
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint32]]:
    """A hash of each text's words, their number, and a key for each band of its MinHash signature, (bands, texts)."""
    import numpy as np

    hashes = np.empty(len(texts), dtype=np.uint64)
    counts = np.empty(len(texts), dtype=np.int64)
    keys = np.empty((shape[1], len(texts)), dtype=np.uint32)
    for start in range(0, len(texts), _CHUNK):
        stop = min(start + _CHUNK, len(texts))
        found = hashed_words(texts[start:stop])
        hashes[start:stop] = found.texts
        counts[start:stop] = np.diff(found.starts)
        if shape[1]:
            shingles = (run_hashes(found.words, _NGRAM) >> np.uint64(32)).astype(np.uint32)
            _sign(shingles, found.starts[:-1], counts[start:stop] - _NGRAM + 1, shape, keys[:, start:stop])
    return hashes, counts, keys


def _sign(
    shingles: NDArray[np.uint32],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    shape: tuple[int, int],
    keys: NDArray[np.uint32],
) -> None:
    """Fill in the band keys of texts with `counts` shingles from `starts` on; those of texts without mean nothing.

    A signature is the least of the shingles' hashes, each time permuted by another odd factor modulo 2^32. A key is a
    hash of the signature's part in the band.
    """
    import numpy as np

    width, bands = shape
    chance = np.random.default_rng(_SEED)
    factors = chance.integers(1 << 32, size=width * bands, dtype=np.uint32) | np.uint32(1)
    mixing = chance.integers(1 << 63, size=(width, 1), dtype=np.uint64) | np.uint64(1)
    order = np.argsort(counts, kind="stable")
    done = int(np.searchsorted(counts[order], 1))
    while done < len(order):
        # Texts of about the same length side by side; the shorter ones repeat their last shingle.
        shortest = int(counts[order[done]])
        block = order[done : done + max(1, _BLOCK // shortest)]
        block = block[: int(np.searchsorted(counts[block], shortest + shortest // 8 + 1, side="right"))]
        length = int(counts[block[-1]])
        matrix = shingles.take(starts[block] + np.minimum(np.arange(length)[:, None], counts[block] - 1))
        permuted, signature = np.empty_like(matrix), np.empty((width * bands, len(block)), dtype=np.uint32)
        for factor, least in zip(factors, signature, strict=True):
            np.multiply(matrix, factor, out=permuted)
            np.minimum.reduce(permuted, axis=0, out=least)
        parts = signature.reshape(bands, width, len(block)) * mixing
        keys[:, block] = parts.sum(axis=1) >> np.uint64(32)
        done += len(block)


def _buckets(band: NDArray[np.uint32], positions: NDArray[np.int64]) -> Iterator[list[int]]:
    """Positions that have the same key."""
    import numpy as np

    # Key and place in one number: sorted fast, and in one order only.
    entries = np.sort(band[positions].astype(np.uint64) << np.uint64(32) | np.arange(len(positions), dtype=np.uint64))
    keys = entries >> np.uint64(32)
    edges = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1], [True])))
    members = positions[(entries & np.uint64(0xFFFFFFFF)).astype(np.int64)]
    shared = np.diff(edges) > 1
    for first, last in zip(edges[:-1][shared].tolist(), edges[1:][shared].tolist(), strict=True):
        yield members[first:last].tolist()


class _Shingles:
    """The sets of word 3-grams, as hashes, of some of the texts."""

    def __init__(self, texts: Sequence[str], positions: Sequence[int]) -> None:
        found = hashed_words([texts[position] for position in positions])
        self._runs = run_hashes(found.words, _NGRAM)
        self._starts = dict(zip(positions, found.starts.tolist(), strict=False))
        self._ends = dict(zip(positions, (found.starts[1:] - _NGRAM + 1).tolist(), strict=False))
        self.of = lru_cache(maxsize=4096)(self._set)

    def _set(self, position: int) -> frozenset[int]:
        return frozenset(self._runs[self._starts[position] : self._ends[position]].tolist())


def _confirmed(
    bucket: Sequence[int], shingles: _Shingles, similarity: float, unions: _Unions
) -> Iterator[tuple[int, int]]:
    """The pairs of a bucket that are alike and not joined yet; joins them."""
    compared: list[int] = []
    for member in bucket:
        known = False
        for other in compared:
            if unions.root(other) == unions.root(member):
                known = True
            elif _jaccard_reaches(similarity, shingles.of(other), shingles.of(member)):
                unions.join(other, member)
                known = True
                yield other, member
        if not known or len(bucket) <= _CROWD:
            compared.append(member)


def _jaccard_reaches(similarity: float, first: frozenset[int], second: frozenset[int]) -> bool:
    common = len(first & second)
    return common >= similarity * (len(first) + len(second) - common)


def _bands(similarity: float) -> tuple[int, int]:
    """Width and number of bands: the widest with which a pair at the threshold still meets with `_RECALL`.

    With b bands of r values, two sets of similarity s meet with probability 1 - (1 - s^r)^b.
    """
    fitting = [(1, _PERMUTATIONS)]
    for width in range(1, _PERMUTATIONS + 1):
        count = math.ceil(math.log(1.0 - _RECALL) / math.log1p(-(similarity**width)))
        if count * width > _PERMUTATIONS:
            break
        fitting.append((width, count))
    return fitting[-1]


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
