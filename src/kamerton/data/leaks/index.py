"""Which training rows are worth comparing with which items: an index of the items, looked up by a stream of rows.

Only runs of words that an item needs are indexed, so that a training row costs time in proportion to its length,
however many items there are. A row that `judged` finds a leak in is always proposed (but for a collision of two 64-bit
hashes, which can hide a pair or propose one in vain, and never makes a leak).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
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

_EVIDENCE = 3
"""Rare shingles that a pair must share before its similarity is counted: with fewer, too many pairs are proposed."""
_SLICE = 1 << 22
"""Pairs of a row and a probe that are counted at once."""


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
        self._found = hashed_words([probe.text for probe in probes])
        questions = np.array([i for i, probe in enumerate(probes) if probe.part == "question"], dtype=np.int64)
        self._questions = _Table.of(0, self._found.texts[questions], questions)
        self._runs = self._run_tables()
        self._coverage = self._table(COVERAGE, lambda probe: probe.covers)
        self._least = np.array([probe.enough(options) for probe in probes])
        self._shingles, self._needed = self._rare_shingles(sample)

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

    def _run_tables(self) -> list[_Table]:
        """A table for each length of the runs that tell of a leak; of a longer one, its first `ngram` words."""
        import numpy as np

        ngram = self._options.ngram
        places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for owner, probe in enumerate(self._probes):
            for start, stop in probe.whole_runs(ngram):
                places[min(stop - start, ngram)].append((int(self._found.starts[owner]) + start, owner))
        tables = []
        for length, entries in sorted(places.items()):
            at, owners = np.array(entries, dtype=np.int64).T
            tables.append(_Table.of(length, run_hashes(self._found.words, length)[at], owners))
        return tables

    def _table(self, length: int, wanted: Callable[[Probe], bool]) -> _Table:
        """All runs of own words of the probes that are wanted."""
        import numpy as np

        pieces = [
            (owner, int(self._found.starts[owner]) + start, stop - start - length + 1)
            for owner, probe in enumerate(self._probes)
            if wanted(probe)
            for start, stop in probe.own
            if stop - start >= length
        ]
        owners, starts, counts = np.array(pieces, dtype=np.int64).reshape(-1, 3).T
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(starts, counts) + steps
        return _Table.of(length, run_hashes(self._found.words, length)[places], np.repeat(owners, counts), places)

    def _rare_shingles(self, sample: RowStream) -> tuple[_Table, NDArray[np.int64]]:
        """The rarest shingles of each probe, and how many of them a near-duplicate has at least.

        A set of Jaccard similarity s to A lacks at most (1 - s) |A| of A, so that of any (1 - s) |A| + n shingles of A
        it has n (prefix filtering: Chaudhuri, Ganti, Kaushik 2006).
        """
        import numpy as np

        table = self._table(SHINGLE, lambda probe: probe.part == "question" and probe.own_count >= LEAST)
        _, entries = table.match(run_hashes(sample.words, SHINGLE))
        frequency = np.bincount(entries, minlength=len(table.hashes))
        standing = np.diff(table.starts)
        entry = np.repeat(np.arange(len(table.hashes)), standing)
        # Each shingle of a probe once, the rarest first.
        owners, entry = np.divmod(distinct(table.owners * len(standing) + entry), max(len(standing), 1))
        order = np.lexsort((entry, standing[entry], frequency[entry], owners))
        owners, entry = owners[order], entry[order]
        sizes = np.bincount(owners, minlength=len(self._probes))
        lacking = np.floor((1.0 - self._options.similarity) * sizes + 1e-9).astype(np.int64)
        needed = np.minimum(_EVIDENCE, sizes - lacking)
        rank = np.arange(len(owners)) - (np.cumsum(sizes) - sizes)[owners]
        rare = rank < (lacking + needed)[owners]
        return _Table.of(SHINGLE, table.hashes[entry[rare]], owners[rare]), needed


@dataclass(frozen=True)
class _Table:
    """Hashes of runs, with the probes that have them."""

    length: int
    hashes: NDArray[np.uint64]
    """Sorted, each once."""
    starts: NDArray[np.int64]
    """(hashes + 1): where the owners of each begin."""
    owners: NDArray[np.int64]
    places: NDArray[np.int64]
    """Where the run stands among the words of its owner."""
    flags: NDArray[np.bool_]
    """Whether a hash may be in the table, by its highest bits."""

    @classmethod
    def of(
        cls,
        length: int,
        hashes: NDArray[np.uint64],
        owners: NDArray[np.int64],
        places: NDArray[np.int64] | None = None,
    ) -> _Table:
        import numpy as np

        order = np.argsort(hashes, kind="stable")
        values, starts = np.unique(hashes[order], return_index=True)
        bits = min(max(len(values).bit_length() + 3, 8), 28)
        flags = np.zeros(1 << bits, dtype=np.bool_)
        flags[values >> np.uint64(64 - bits)] = True
        at = owners[order] if places is None else places[order]
        return cls(length, values, np.append(starts, len(hashes)), owners[order], at, flags)

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
            yield np.repeat(rows[start:stop], part), self.owners[at], self.places[at]
            start = stop
