"""The Lance side of the store: how a set of rows is written, changed and read, and what its errors mean."""

from __future__ import annotations

import heapq
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kamerton.data.columns import FIRST_COLUMNS, SCHEMA, to_rows, to_table
from kamerton.data.rows import Row
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors

if TYPE_CHECKING:
    import lance

__all__ = ["change", "create", "lance_errors", "opened", "pick", "reading", "restored", "stored_hashes", "stream"]

FILE_FORMAT: Final = "2.2"
"""Lance file-format version of every data set, so that a newer library writes what an older one reads."""

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_OWN_PLACE = re.compile(r", /|, location: |\n")
"""Before the place in its own source that Lance names."""
_DAMAGE: Final = (OSError, ValueError, RuntimeError, KeyError, TypeError, AssertionError)
"""What Lance, Arrow and rows raise at bytes that are not what was written."""
_REWRITE: Final = 0.5
"""Share of removed rows from which a commit writes the whole set anew."""
_BATCH: Final = 8192
"""Rows that are in memory at a time when a version is read row by row."""


def opened(uri: str) -> lance.LanceDataset:
    """The newest version of a data set.

    Raises:
        StorageError: damaged files, or columns that only a newer Kamerton writes.
    """
    import lance

    with reading(uri):
        dataset = lance.dataset(uri)
        columns = set(dataset.schema.names)
    if strange := (columns - SCHEMA.keys()) | (FIRST_COLUMNS - columns):
        raise StorageError(
            f"the columns are not those that this version of kamerton writes: {', '.join(sorted(strange))}",
            where=uri,
            expected="versions made by: kamerton data commit",
            mend="read it with the version of kamerton that wrote it",
        )
    return dataset


def create(uri: str, rows: Sequence[Row], properties: dict[str, str]) -> lance.LanceDataset:
    """Commit the first version."""
    import lance

    return lance.write_dataset(
        to_table(rows),
        uri,
        mode="create",
        data_storage_version=FILE_FORMAT,
        enable_stable_row_ids=True,
        transaction_properties=properties,
    )


def change(dataset: lance.LanceDataset, rows: Sequence[Row], properties: dict[str, str]) -> lance.LanceDataset:
    """Commit the difference to these rows.

    Where the number of copies of a row changes, all its copies go and the new number comes: a predicate on the
    hash cannot tell copies apart. A set that was stored without today's columns is written anew, once.
    """
    import lance

    before, after = Counter(stored_hashes(dataset)), Counter(row.row_hash for row in rows)
    gone = sorted(row_hash for row_hash, count in before.items() if after[row_hash] != count)
    if len(gone) > _REWRITE * len(before) or dataset.schema.names != list(SCHEMA):
        return lance.write_dataset(
            to_table(rows),
            dataset,
            mode="overwrite",
            data_storage_version=FILE_FORMAT,
            transaction_properties=properties,
        )
    new = [row for row in rows if after[row.row_hash] != before[row.row_hash]]
    removed, updated = _without(dataset, gone)
    added = lance.fragment.write_fragments(to_table(new), dataset, data_storage_version=FILE_FORMAT) if new else []
    operation = lance.LanceOperation.Update(
        removed_fragment_ids=removed, updated_fragments=updated, new_fragments=list(added)
    )
    return _committed(dataset, operation, properties)


def restored(dataset: lance.LanceDataset, number: int, properties: dict[str, str]) -> lance.LanceDataset:
    """Commit a new version with the files of an old one; no row is written."""
    import lance

    return _committed(dataset, lance.LanceOperation.Restore(number), properties)


def _committed(dataset: lance.LanceDataset, operation: Any, properties: dict[str, str]) -> lance.LanceDataset:
    import lance
    from lance.dataset import Transaction

    transaction = Transaction(dataset.version, operation, transaction_properties=properties)
    return lance.LanceDataset.commit(dataset, transaction, max_retries=0)


def _without(dataset: lance.LanceDataset, gone: Sequence[str]) -> tuple[list[int], list[Any]]:
    """Ids of the fragments that lose all their rows, and the fragments that lose some, with their deletion vectors."""
    removed: list[int] = []
    updated: list[Any] = []
    if not gone:
        return removed, updated
    predicate = "row_hash IN ('" + "','".join(gone) + "')"
    for fragment in dataset.get_fragments():
        left = fragment.delete(predicate)
        if left is None:
            removed.append(fragment.fragment_id)
        elif left.deletion_file != fragment.metadata.deletion_file:
            updated.append(left)
    return removed, updated


def stored_hashes(dataset: lance.LanceDataset) -> list[str]:
    """The row hashes as they are stored, in the order of the files."""
    with reading(dataset.uri):
        hashes: list[str] = dataset.to_table(columns=["row_hash"])["row_hash"].to_pylist()
    return hashes


def pick(dataset: lance.LanceDataset, hashes: Sequence[str], wanted: Counter[str]) -> list[Row]:
    """That many copies of each wanted row, sorted by hash; `hashes` are the stored ones.

    All rows are scanned: Lance takes single rows a hundred times slower than it reads past them.
    """
    import pyarrow as pa

    left, places = Counter(wanted), []
    for place, row_hash in enumerate(hashes):
        if left[row_hash] > 0:
            left[row_hash] -= 1
            places.append(place)
    if not places:
        return []
    found, start, done = [], 0, 0
    with reading(dataset.uri):
        for batch in dataset.to_batches(batch_size=_BATCH):
            stop = bisect_left(places, start + len(batch), lo=done)
            if stop > done:
                found.append(batch.take(pa.array([place - start for place in places[done:stop]])))
            start, done = start + len(batch), stop
        return to_rows(pa.Table.from_batches(found))


def stream(dataset: lance.LanceDataset) -> Iterator[tuple[str, Row]]:
    """Stored hash and row, one after the other, sorted by the hash; a few thousand rows are in memory at a time.

    Every commit writes its rows in this order, so the files need only be merged.
    """
    with reading(dataset.uri):
        fragments = dataset.get_fragments()
        size = max(64, _BATCH // max(len(fragments), 1))
        if len(fragments) == 1:
            yield from _sorted(fragments[0], size)
        else:
            yield from heapq.merge(*(_sorted(fragment, size) for fragment in fragments), key=_order)


def _sorted(fragment: Any, size: int) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa

    for batch in fragment.to_batches(batch_size=size, batch_readahead=1):
        table = pa.Table.from_batches([batch])
        yield from zip(sorted(table["row_hash"].to_pylist()), to_rows(table), strict=True)


def _order(item: tuple[str, Row]) -> tuple[str, str, int]:
    row_hash, row = item
    return row_hash, row.file, row.line


@contextmanager
def lance_errors(path: Path) -> Iterator[None]:
    """Lance reports disk errors as texts: give the system's number back."""
    with storage_errors(path):
        try:
            yield
        except OSError as error:
            system = _SYSTEM_ERROR.search(str(error))
            if system is None:
                raise
            raise OSError(int(system[1]), "system error", str(path)) from error


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Whatever Lance, Arrow or JSON find wrong in stored bytes is damage."""
    with lance_errors(Path(uri)):
        try:
            yield
        except BaseException as error:  # a panic inside Lance is no Exception
            system = _SYSTEM_ERROR.search(str(error)) or (isinstance(error, OSError) and error.errno is not None)
            if system or not (isinstance(error, _DAMAGE) or type(error).__name__ == "PanicException"):
                raise
            raise StorageError(
                f"the data set cannot be read: {_OWN_PLACE.split(str(error), maxsplit=1)[0]}",
                where=uri,
                expected="undamaged files",
                mend="restore the folder from a copy, or commit the rows again under another name",
            ) from error
