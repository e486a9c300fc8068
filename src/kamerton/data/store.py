"""The data-set store: immutable versions of sets of rows, in Lance.

A commit is one Lance transaction: the rows that go, the rows that come, and what the version is (fingerprint,
message, time) become visible together or not at all. A process that is killed before leaves files that no version
names, and nothing else. Commits to one data set wait for each other.
"""

from __future__ import annotations

import fcntl
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kamerton.data.columns import to_rows, to_table
from kamerton.data.rows import Row
from kamerton.ground.digests import set_digest
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.files import storage_errors
from kamerton.ground.settings import Workspace
from kamerton.records.data import DatasetVersion

if TYPE_CHECKING:
    import lance

__all__ = ["DatasetStore", "DatasetVersion", "Diff", "parse_ref"]

FILE_FORMAT: Final = "2.2"
"""Lance file-format version of every data set, so that a newer library writes what an older one reads."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"v(\d+)")
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_REWRITE = 0.5
"""Share of removed rows from which a commit writes the whole set anew."""


@dataclass(frozen=True)
class Diff:
    """The rows that only the second version has, and those that only the first has; sorted by row hash."""

    added: list[Row]
    removed: list[Row]


def parse_ref(ref: str) -> tuple[str, str]:
    """Name and tag (`v3` for a number, empty for the newest) of `name`, `name@tag` or `name@vN`.

    Raises:
        DataError: a letter that neither may have.
    """
    name, at, tag = ref.partition("@")
    if not _NAME.fullmatch(name) or (at and not _NAME.fullmatch(tag)):
        raise DataError(
            "not a data-set reference", where=ref, expected="name, name@tag or name@vN of letters, digits, . _ -"
        )
    return name, tag


class DatasetStore:
    """The data sets of a workspace, one Lance folder each below its `datasets`."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.datasets

    def uri(self, name: str) -> str:
        """The Lance folder of a data set."""
        return str(self._folder / f"{name}.lance")

    def names(self) -> list[str]:
        """The data sets that have a version."""
        names = sorted(path.name.removesuffix(".lance") for path in self._folder.glob("*.lance"))
        return [name for name in names if self._exists(name)]

    def commit(self, name: str, rows: Sequence[Row], *, message: str = "", tag: str | None = None) -> DatasetVersion:
        """Make these rows the newest version; the newest version itself when it has the same rows already.

        Only what changed is written. A stored row keeps the file and line where it was first seen.

        Raises:
            DataError: no rows, a name that cannot be, or a tag that another version has.
            StorageError: the disk is full or may not be written.
        """
        parse_ref(name if tag is None else f"{name}@{tag}")
        if not rows:
            raise DataError("there are no rows to commit", where=name, mend="kamerton data check says why none is left")
        with self._writing(name):
            latest = self._open(name)
            known = self._describe(name, latest) if latest is not None else None
            fingerprint = set_digest(row.row_hash for row in rows)
            if tag is not None:
                self._refuse_taken(name, latest, tag, known if known and known.fingerprint == fingerprint else None)
            if latest is None or known is None or known.fingerprint != fingerprint:
                properties = {
                    "kamerton.fingerprint": fingerprint,
                    "kamerton.rows": str(len(rows)),
                    "kamerton.created": datetime.now(UTC).isoformat(timespec="seconds"),
                    "kamerton.message": message,
                }
                latest = (
                    _create(self.uri(name), rows, properties) if latest is None else _change(latest, rows, properties)
                )
            if tag is not None and tag not in latest.tags.list():
                latest.tags.create(tag, latest.version)
            return self._describe(name, latest)

    def log(self, name: str) -> list[DatasetVersion]:
        """All versions, the newest first.

        Raises:
            DataError: no such data set.
        """
        dataset, _ = self._at(name)
        numbers = sorted((version["version"] for version in dataset.versions()), reverse=True)
        return [self._describe(name, dataset.checkout_version(number)) for number in numbers]

    def show(self, ref: str) -> DatasetVersion:
        """The version that a reference names.

        Raises:
            DataError: no such data set, tag or version.
        """
        dataset, name = self._at(ref)
        return self._describe(name, dataset)

    def rows(self, ref: str) -> list[Row]:
        """The rows of a version, sorted by row hash: the same whatever commits led to it."""
        dataset, _ = self._at(ref)
        with _reading(dataset.uri):
            return to_rows(dataset.to_table())

    def tag(self, ref: str, tag: str) -> DatasetVersion:
        """Give a version a tag; a tag never moves.

        Raises:
            DataError: no such version, or another version has the tag.
        """
        dataset, name = self._at(ref)
        parse_ref(f"{name}@{tag}")
        with self._writing(name):
            version = self._describe(name, dataset)
            self._refuse_taken(name, dataset, tag, version)
            if tag not in version.tags:
                dataset.tags.create(tag, version.version)
            return self._describe(name, dataset)

    def diff(self, ref_a: str, ref_b: str) -> Diff:
        """Rows added and removed from one version to another; a row that stands twice counts twice."""
        first, second = self._at(ref_a)[0], self._at(ref_b)[0]
        hashes_a, hashes_b = _hashes(first), _hashes(second)
        count_a, count_b = Counter(hashes_a), Counter(hashes_b)
        return Diff(added=_pick(second, hashes_b, count_b - count_a), removed=_pick(first, hashes_a, count_a - count_b))

    def verify(self, ref: str) -> DatasetVersion:
        """Compute the fingerprint again from what the rows say.

        Raises:
            StorageError: the stored rows are not those that were committed.
        """
        dataset, name = self._at(ref)
        version = self._describe(name, dataset)
        computed = sorted(row.row_hash for row in self.rows(ref))
        found = set_digest(computed)
        if found != version.fingerprint or computed != sorted(_hashes(dataset)):
            raise StorageError(
                f"the rows have the fingerprint {found[:12]}, or a stored hash is not that of its row",
                where=f"{name}@v{version.version}",
                expected=f"the rows that were committed, {version.fingerprint[:12]}",
                mend=f"restore {self.uri(name)} from a copy, or commit the rows again under another name",
            )
        return version

    def _exists(self, name: str) -> bool:
        """Whether a version was ever committed: a first commit that was killed leaves a folder without a manifest."""
        return any((Path(self.uri(name)) / "_versions").glob("*.manifest"))

    def _open(self, name: str) -> lance.LanceDataset | None:
        """The newest version, or None when nothing was ever committed."""
        import lance

        if not self._exists(name):
            return None
        with _reading(self.uri(name)):
            return lance.dataset(self.uri(name))

    def _at(self, ref: str) -> tuple[lance.LanceDataset, str]:
        """The version that a reference names, and the name."""
        name, tag = parse_ref(ref)
        dataset = self._open(name)
        if dataset is None:
            known = ", ".join(self.names()) or "none yet"
            raise DataError(
                "no such data set", where=ref, expected=f"one of: {known}", mend=f"kamerton data commit {name} FILES"
            )
        if not tag:
            return dataset, name
        number = _NUMBER.fullmatch(tag)
        with _reading(dataset.uri):
            tags = {label: entry["version"] for label, entry in dataset.tags.list().items()}
            versions = [version["version"] for version in dataset.versions()]
        wanted = int(number[1]) if number else tags.get(tag)
        if wanted not in versions:
            known = ", ".join([*sorted(tags), *(f"v{version}" for version in sorted(versions))])
            raise DataError("no such version", where=ref, expected=f"one of: {known}", mend=f"kamerton data log {name}")
        with _reading(dataset.uri):
            return dataset.checkout_version(wanted), name

    def _describe(self, name: str, dataset: lance.LanceDataset) -> DatasetVersion:
        number = dataset.version
        with _reading(dataset.uri):
            transaction = dataset.read_transaction(number)
            tags = sorted(label for label, entry in dataset.tags.list().items() if entry["version"] == number)
        properties = (transaction.transaction_properties if transaction is not None else None) or {}
        if "kamerton.fingerprint" not in properties:
            raise StorageError(
                "the version was not written by kamerton",
                where=f"{self.uri(name)} v{number}",
                expected="versions made by: kamerton data commit",
            )
        return DatasetVersion(
            name=name,
            version=number,
            tags=tags,
            fingerprint=properties["kamerton.fingerprint"],
            rows=int(properties["kamerton.rows"]),
            created=properties["kamerton.created"],
            message=properties["kamerton.message"],
        )

    def _refuse_taken(
        self, name: str, dataset: lance.LanceDataset | None, tag: str, version: DatasetVersion | None
    ) -> None:
        """Refuse a tag that looks like a number, or that another version than this one has."""
        if _NUMBER.fullmatch(tag):
            raise DataError("a tag may not look like a version number", where=f"{name}@{tag}", expected="another tag")
        taken = dataset.tags.list().get(tag) if dataset is not None else None
        if taken is not None and (version is None or taken["version"] != version.version):
            raise DataError(
                f"the tag belongs to v{taken['version']} and never moves",
                where=f"{name}@{tag}",
                expected="a new tag",
                mend=f"kamerton data log {name} lists the tags",
            )

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Hold the data set's lock: Lance would merge two commits into one whose fingerprint nobody computed."""
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f".{name}.lock").open("w") as lock, _lance_errors(self._folder):
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


def _create(uri: str, rows: Sequence[Row], properties: dict[str, str]) -> lance.LanceDataset:
    import lance

    return lance.write_dataset(
        to_table(rows),
        uri,
        mode="create",
        data_storage_version=FILE_FORMAT,
        enable_stable_row_ids=True,
        transaction_properties=properties,
    )


def _change(dataset: lance.LanceDataset, rows: Sequence[Row], properties: dict[str, str]) -> lance.LanceDataset:
    """Commit the difference to these rows.

    Where the number of copies of a row changes, all its copies go and the new number comes: a predicate on the
    hash cannot tell copies apart.
    """
    import lance
    from lance.dataset import Transaction

    before, after = Counter(_hashes(dataset)), Counter(row.row_hash for row in rows)
    gone = sorted(row_hash for row_hash, count in before.items() if after[row_hash] != count)
    if len(gone) > _REWRITE * len(before):
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
    return lance.LanceDataset.commit(
        dataset, Transaction(dataset.version, operation, transaction_properties=properties), max_retries=0
    )


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


def _hashes(dataset: lance.LanceDataset) -> list[str]:
    with _reading(dataset.uri):
        hashes: list[str] = dataset.to_table(columns=["row_hash"])["row_hash"].to_pylist()
    return hashes


def _pick(dataset: lance.LanceDataset, hashes: Sequence[str], wanted: Counter[str]) -> list[Row]:
    """That many copies of each wanted row."""
    left = Counter(wanted)
    places = []
    for place, row_hash in enumerate(hashes):
        if left[row_hash] > 0:
            left[row_hash] -= 1
            places.append(place)
    if not places:
        return []
    with _reading(dataset.uri):
        return to_rows(dataset.take(places))


@contextmanager
def _lance_errors(path: Path) -> Iterator[None]:
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
def _reading(uri: str) -> Iterator[None]:
    """Whatever Lance, Arrow or JSON find wrong in stored bytes is damage."""
    with _lance_errors(Path(uri)):
        try:
            yield
        except (OSError, ValueError) as error:
            if _SYSTEM_ERROR.search(str(error)) or (isinstance(error, OSError) and error.errno is not None):
                raise
            raise StorageError(
                f"the data set cannot be read: {str(error).partition(', /')[0].splitlines()[0]}",
                where=uri,
                expected="undamaged files",
                mend="restore the folder from a copy, or commit the rows again under another name",
            ) from error
