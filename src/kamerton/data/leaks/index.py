"""Which training rows are worth comparing with which items: an index of the items, looked up by a stream of rows.

Only runs of words that an item needs are indexed, so that a training row costs time in proportion to its length,
however many items there are. A row that `judged` finds a leak in is always proposed (but for a collision of two 64-bit
hashes, which can hide a pair or propose one in vain, and never makes a leak).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kamerton.data.leaks.probes import COVERAGE, LEAST, SHINGLE, Probe
from kamerton.data.leaks.stream import RowStream
from kamerton.data.words import distinct, hashed_words, run_hashes
from kamerton.recipe import LeakSection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LeakIndex"]

_EVIDENCE = 4
"""Rare shingles that a pair must share before its similarity is counted: with fewer, too many pairs are proposed."""
_SLICE = 1 << 22
"""Pairs of a row and a probe that are counted at once."""
_PROBES = 1 << 14
"""Probes whose shingles are sorted by how rare they are at once."""


class LeakIndex:
    """The runs of words of a set's probes."""

    def __init__(self, probes: Sequence[Probe], options: LeakSection, sample: RowStream) -> None:
        """Index the probes.

        Args:
            sample: some of the training rows; near-duplicates are looked up by what is rare in them. It makes the
                search faster or slower, and never changes what is found.
        """
        import numpy as np

        self._probes = probes
        self._options = options
        own = _OwnPieces.of(probes)
        question = np.array([probe.part == "question" for probe in probes], dtype=np.bool_)
        self._questions = _Table.of(0, own.texts[question], np.flatnonzero(question).astype(np.int32))
        self._runs = self._run_tables(own)
        self._coverage = own.table(COVERAGE, np.array([probe.covers for probe in probes], dtype=np.bool_), places=True)
        self._least = np.array([probe.enough(options) for probe in probes])
        self._shingles, self._needed = self._rare_shingles(own, question, sample)

    def candidates(self, stream: RowStream) -> list[tuple[int, int]]:
        """Row of the stream and probe, for each pair that may be a leak; sorted."""
        import numpy as np

        places, entries = self._questions.match(stream.questions)
        keys = [self._keys(rows, owners) for rows, owners, _ in self._questions.pairs(places, entries)]
        for table in self._runs:
            keys += [self._keys(rows, owners) for rows, owners, _ in table.pairs(*self._hits(table, stream))]
        keys += [self._covered(*part) for part in self._coverage.pairs(*self._hits(self._coverage, stream))]
        near = self._hits(self._shingles, stream, questions=True)
        keys += [self._near(rows, owners) for rows, owners, _ in self._shingles.pairs(*near)]
        found = distinct(np.concatenate(keys)) if keys else np.zeros(0, dtype=np.int64)
        rows, owners = np.divmod(found, max(len(self._probes), 1))
        return list(zip(rows.tolist(), owners.tolist(), strict=True))

    def _hits(
        self, table: _Table, stream: RowStream, *, questions: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the stream and the table's entries that they have, each pair once, in the order of the rows."""
        import numpy as np

        places, entries = table.match(run_hashes(stream.words, table.length))
        rows = stream.rows_at(places)
        if questions:
            inside = (places >= stream.question_start[rows]) & (places + table.length <= stream.question_stop[rows])
            rows, entries = rows[inside], entries[inside]
        count = max(len(table.hashes), 1)
        found, entry = np.divmod(distinct(rows * count + entries), count)
        return found, entry

    def _keys(self, rows: NDArray[np.int64], owners: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows * len(self._probes) + owners

    def _covered(
        self, rows: NDArray[np.int64], owners: NDArray[np.int64], places: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Pairs in which enough words of the probe stand in runs that the row has."""
        import numpy as np

        keys = self._keys(rows, owners)
        order = np.lexsort((places, keys))
        keys, places = keys[order], places[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        reach = np.minimum(np.diff(places, append=0), COVERAGE)
        reach[[*(first[1:] - 1), -1]] = COVERAGE
        enough = np.add.reduceat(reach, first) >= self._least[keys[first] % len(self._probes)] - 1e-9
        return np.asarray(keys[first][enough])

    def _near(self, rows: NDArray[np.int64], owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pairs that share enough rare shingles."""
        import numpy as np

        keys, counts = np.unique(self._keys(rows, owners), return_counts=True)
        return np.asarray(keys[counts >= self._needed[keys % len(self._probes)]])

    def _run_tables(self, own: _OwnPieces) -> list[_Table]:
        """The runs that tell of a leak (`Probe.whole_runs`) by length; of a longer one its first `ngram` words."""
        import numpy as np

        ngram = self._options.ngram
        told = np.array([probe.part != "answer" for probe in self._probes], dtype=np.bool_)
        counts = np.diff(own.bounds)
        whole = told & (counts >= LEAST)
        whole[own.owners[own.stops - own.starts >= ngram]] = False
        tables = [own.table(ngram, told)]
        lengths = np.minimum(counts, ngram)
        for length in np.unique(lengths[whole]).tolist():
            owners = np.flatnonzero(whole & (lengths == length)).astype(np.int32)
            tables.append(_Table.of(length, run_hashes(own.words, length)[own.bounds[owners]], owners))
        return tables

    def _rare_shingles(
        self, own: _OwnPieces, question: NDArray[np.bool_], sample: RowStream
    ) -> tuple[_Table, NDArray[np.int64]]:
        """The rarest shingles of each probe, and how many of them a near-duplicate has at least.

        A set of Jaccard similarity s to A lacks at most (1 - s) |A| of A, so that of any (1 - s) |A| + n shingles of A
        it has n (prefix filtering: Chaudhuri, Ganti, Kaushik 2006).
        """
        import numpy as np

        near = question & np.array([probe.own_count >= LEAST for probe in self._probes], dtype=np.bool_)
        seen = run_hashes(sample.words, SHINGLE)
        needed = np.zeros(len(near), dtype=np.int64)
        hashes, owners = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int32)]
        # Most shingles are not kept: those of some probes at once take less room than those of all.
        for start in range(0, len(near), _PROBES):
            some = np.zeros_like(near)
            some[start : start + _PROBES] = near[start : start + _PROBES]
            table = own.table(SHINGLE, some)
            rare, owner, least = self._rarest(table, seen)
            hashes.append(table.hashes[rare])
            owners.append(owner.astype(np.int32))
            needed += least
        return _Table.of(SHINGLE, np.concatenate(hashes), np.concatenate(owners)), needed

    def _rarest(
        self, table: _Table, seen: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Entries of a table that are the rarest of their owners, those owners, and how many each owner needs."""
        import numpy as np

        _, entries = table.match(seen)
        frequency = np.bincount(entries, minlength=len(table.hashes))
        standing = np.diff(table.starts)
        entry = np.repeat(np.arange(len(table.hashes)), standing)
        # Each shingle of a probe once, the rarest first.
        owners, entry = np.divmod(
            distinct(table.owners.astype(np.int64) * len(standing) + entry), max(len(standing), 1)
        )
        order = np.lexsort((entry, standing[entry], frequency[entry], owners))
        owners, entry = owners[order], entry[order]
        sizes = np.bincount(owners, minlength=len(self._probes))
        lacking = np.floor((1.0 - self._options.similarity) * sizes + 1e-9).astype(np.int64)
        needed = np.minimum(_EVIDENCE, sizes - lacking)
        rank = np.arange(len(owners)) - (np.cumsum(sizes) - sizes)[owners]
        rare = rank < (lacking + needed)[owners]
        return entry[rare], owners[rare], needed


@dataclass(frozen=True)
class _OwnPieces:
    """The words of all probes, one after another, and which pieces of them are the probes' own."""

    words: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    """(probes + 1): where each probe's words begin, and the end."""
    texts: NDArray[np.uint64]
    """(probes): one hash a probe, of all its words."""
    owners: NDArray[np.int64]
    """(pieces): the probe of each."""
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    """(pieces): among the words of all probes."""

    @classmethod
    def of(cls, probes: Sequence[Probe]) -> _OwnPieces:
        import numpy as np

        found = hashed_words([probe.text for probe in probes])
        counts = np.array([len(probe.own) for probe in probes], dtype=np.int64)
        edges = np.fromiter((edge for probe in probes for piece in probe.own for edge in piece), dtype=np.int64)
        owners = np.repeat(np.arange(len(probes)), counts)
        starts, stops = edges.reshape(-1, 2).T + found.starts[owners]
        return cls(found.words, found.starts, found.texts, owners, starts, stops)

    def table(self, length: int, wanted: NDArray[np.bool_], *, places: bool = False) -> _Table:
        """All runs of own words of the probes that are wanted."""
        import numpy as np

        chosen = wanted[self.owners] & (self.stops - self.starts >= length)
        starts, counts = self.starts[chosen], (self.stops - self.starts)[chosen] - length + 1
        if not len(starts):
            return _Table.of(length, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32))
        first, last = int(starts[0]), int(starts[-1] + counts[-1]) + length - 1
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(starts, counts) + steps
        owners = np.repeat(self.owners[chosen].astype(np.int32), counts)
        return _Table.of(length, run_hashes(self.words[first:last], length)[at - first], owners, at if places else None)


@dataclass(frozen=True)
class _Table:
    """Hashes of runs, with the probes that have them."""

    length: int
    hashes: NDArray[np.uint64]
    """Sorted, each once."""
    starts: NDArray[np.int64]
    """(hashes + 1): where the owners of each begin."""
    owners: NDArray[np.int32]
    places: NDArray[np.int64] | NDArray[np.int32]
    """Where the run stands among the words of all probes, if that was asked for; else the owners again."""
    flags: NDArray[np.bool_]
    """Whether a hash may be in the table, by its highest bits."""

    @classmethod
    def of(
        cls,
        length: int,
        hashes: NDArray[np.uint64],
        owners: NDArray[np.int32],
        places: NDArray[np.int64] | None = None,
    ) -> _Table:
        import numpy as np

        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])) if len(hashes) else np.zeros(0, np.int64)
        values = hashes[starts]
        bits = min(max(len(values).bit_length() + 3, 8), 28)
        flags = np.zeros(1 << bits, dtype=np.bool_)
        flags[values >> np.uint64(64 - bits)] = True
        owners = owners[order]
        at = owners if places is None else places[order]
        return cls(length, values, np.append(starts, len(hashes)), owners, at, flags)

    def match(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the hashes that are in the table, and their entries."""
        import numpy as np

        shift = np.uint64(65 - len(self.flags).bit_length())
        places = np.flatnonzero(self.flags[hashes >> shift])
        entries = np.searchsorted(self.hashes, hashes[places])
        entries[entries == len(self.hashes)] = 0
        known = self.hashes[entries] == hashes[places] if len(self.hashes) else np.zeros(len(places), dtype=np.bool_)
        return places[known], entries[known]

    def pairs(
        self, rows: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Rows (sorted) with the owners of their entries and the places there; a slice at a time, no row in two."""
        import numpy as np

        counts = self.starts[entries + 1] - self.starts[entries]
        reached = np.cumsum(counts)
        start = 0
        while start < len(rows):
            before = reached[start - 1] if start else 0
            stop = max(int(np.searchsorted(reached, before + _SLICE)), start + 1)
            stop = int(np.searchsorted(rows, rows[stop - 1], side="right"))
            part = counts[start:stop]
            steps = np.arange(part.sum()) - np.repeat(np.cumsum(part) - part, part)
            at = np.repeat(self.starts[entries[start:stop]], part) + steps
            yield np.repeat(rows[start:stop], part), self.owners[at].astype(np.int64), self.places[at].astype(np.int64)
            start = stop
