"""Three-way merge of rows: what two versions did to their common base, done together."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from kamerton.data.rows import Row
from kamerton.data.versions.changes import Diff

__all__ = ["Conflict", "Merge", "merge"]


@dataclass(frozen=True)
class Conflict:
    """A row of the base that both sides changed, each in its own way; None where a side took the row out."""

    base: Row
    ours: Row | None
    theirs: Row | None


@dataclass(frozen=True)
class Merge:
    """What makes the merged version out of our version."""

    add: list[Row]
    remove: Counter[str]
    """How many copies of which rows, by row hash, go."""
    conflicts: list[Conflict]
    """Empty when the two sides agree; else there is no merged version."""
    answered_twice: list[tuple[Row, Row]]
    """Rows that the two sides added with the same prompt and different answers; both are kept."""

    def applied(self, rows: list[Row]) -> list[Row]:
        """The merged rows, out of those of our version."""
        assert not self.conflicts
        left = Counter(self.remove)
        kept = []
        for row in rows:
            if left[row.row_hash] > 0:
                left[row.row_hash] -= 1
            else:
                kept.append(row)
        return kept + self.add


def merge(ours: Diff, theirs: Diff) -> Merge:
    """Merge the ways from the base to two versions of it.

    A row that both sides added, or both took out, is added or taken out once, and as often as the side says that did
    it more often.
    """
    our_counts = ours.counts
    sources = {row.row_hash: row for row in (*theirs.added, *(change.after for change in theirs.changed))}
    add: list[Row] = []
    remove: Counter[str] = Counter()
    for row_hash, count in sorted(theirs.counts.items()):
        mine = our_counts[row_hash]
        alike = (mine > 0) == (count > 0) and mine != 0
        more = max(abs(count) - abs(mine), 0) if alike else abs(count)
        if count > 0:
            add += [sources[row_hash]] * more
        elif more:
            remove[row_hash] = more
    return Merge(add, remove, _conflicts(ours, theirs), _answered_twice(ours, theirs))


def _conflicts(ours: Diff, theirs: Diff) -> list[Conflict]:
    mine, other = _fates(ours), _fates(theirs)
    conflicts = []
    for row_hash in sorted(mine.keys() & other.keys()):
        base, our_rows = mine[row_hash]
        _, their_rows = other[row_hash]
        if our_rows.keys() != their_rows.keys():
            our_row = next((row for key, row in our_rows.items() if key not in their_rows), None)
            their_row = next((row for key, row in their_rows.items() if key not in our_rows), None)
            conflicts.append(Conflict(base, our_row, their_row))
    return conflicts


def _fates(diff: Diff) -> dict[str, tuple[Row, dict[str, Row | None]]]:
    """What became of each row of the base that is not there any more: its new versions, or nothing."""
    fates: dict[str, tuple[Row, dict[str, Row | None]]] = {}
    for row in diff.removed:
        fates.setdefault(row.row_hash, (row, {}))[1][""] = None
    for change in diff.changed:
        fates.setdefault(change.before.row_hash, (change.before, {}))[1][change.after.row_hash] = change.after
    return fates


def _answered_twice(ours: Diff, theirs: Diff) -> list[tuple[Row, Row]]:
    prompts: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in ours.added:
        if row.prompt:
            prompts[row.kind, row.question].append(row)
    hashes = {row.row_hash for row in ours.added}
    return [
        (row, other)
        for other in theirs.added
        if other.prompt and other.row_hash not in hashes
        for row in prompts.get((other.kind, other.question), ())
    ]
