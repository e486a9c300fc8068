"""The data-set store: immutable versions of sets of rows, in Lance.

A commit is one Lance transaction: the rows that go, the rows that come, and what the version is (fingerprint,
message, time) become visible together or not at all. A process that is killed before leaves files that no version
names, and nothing else. Commits to one data set wait for each other.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kamerton.data.rows import Row, RowKind
from kamerton.data.versions.changes import Diff, pair_rows
from kamerton.data.versions.lance_files import (
    change,
    create,
    lance_errors,
    opened,
    pick,
    reading,
    restored,
    stored_hashes,
    stream,
)
from kamerton.ground.digests import set_digest
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.locks import held
from kamerton.ground.settings import Workspace
from kamerton.records.data import DatasetVersion

if TYPE_CHECKING:
    import lance

__all__ = ["DatasetStore", "parse_ref"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"v(\d+)")


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
        """The Lance folder of a data set.

        Raises:
            StorageError: the store's path is not UTF-8.
        """
        path = str(self._folder / f"{name}.lance")
        if not path.isascii():
            try:
                path.encode()
            except UnicodeEncodeError as error:
                raise StorageError(
                    "the path is not UTF-8, as Lance needs it",
                    where=path,
                    mend="rename the folder, or set KAMERTON_HOME",
                ) from error
        return path

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
        fingerprint = set_digest(row.row_hash for row in rows)
        with self._writing(name):
            latest = self._open(name)
            known = self._describe(name, latest) if latest is not None else None
            if tag is not None:
                self._refuse_taken(name, latest, tag, known if known and known.fingerprint == fingerprint else None)
            if latest is None or known is None or known.fingerprint != fingerprint:
                properties = _properties(fingerprint, len(rows), message)
                latest = (
                    create(self.uri(name), rows, properties) if latest is None else change(latest, rows, properties)
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
        with reading(dataset.uri):
            numbers = sorted((version["version"] for version in dataset.versions()), reverse=True)
            return [self._describe(name, dataset.checkout_version(number)) for number in numbers]

    def show(self, ref: str) -> DatasetVersion:
        """The version that a reference names.

        Raises:
            DataError: no such data set, tag or version.
        """
        dataset, name = self._at(ref)
        return self._describe(name, dataset)

    def find(self, name: str, fingerprint: str) -> DatasetVersion | None:
        """The newest version with these rows, whatever its number is in this store; None when there is none."""
        if self._open(name) is None:
            return None
        return next((version for version in self.log(name) if version.fingerprint == fingerprint), None)

    def rows(self, ref: str) -> list[Row]:
        """The rows of a version, sorted by row hash: the same whatever commits led to it."""
        return list(self.stream(ref))

    def stream(self, ref: str) -> Iterator[Row]:
        """The rows of a version one after the other, sorted by row hash; few of them are in memory at a time."""
        dataset, _ = self._at(ref)
        return (row for _, row in stream(dataset))

    def kinds(self, ref: str) -> set[RowKind]:
        """The kinds of rows that a version has."""
        dataset, _ = self._at(ref)
        with reading(dataset.uri):
            return set(dataset.to_table(columns=["kind"])["kind"].unique().to_pylist())

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

    def restore(self, ref: str, *, message: str = "") -> DatasetVersion:
        """Make the rows of an old version the newest again; the versions in between stay, and no row is written.

        Raises:
            DataError: no such version.
            StorageError: the disk is full or may not be written.
        """
        old = self.show(ref)
        with self._writing(old.name):
            latest = self._open(old.name)
            assert latest is not None
            if self._describe(old.name, latest).fingerprint == old.fingerprint:
                return self._describe(old.name, latest)
            said = message or f"restored from v{old.version}"
            properties = _properties(old.fingerprint, old.rows, said)
            return self._describe(old.name, restored(latest, old.version, properties))

    def diff(self, ref_a: str, ref_b: str) -> Diff:
        """Rows added, removed and changed from one version to another; a row that stands twice counts twice."""
        first, second = self._at(ref_a)[0], self._at(ref_b)[0]
        hashes_a, hashes_b = stored_hashes(first), stored_hashes(second)
        only_a, only_b = set(hashes_a).difference(hashes_b), set(hashes_b).difference(hashes_a)
        if len(hashes_a) - len(only_a) == len(hashes_b) - len(only_b) == len(set(hashes_a)) - len(only_a):
            count_a, count_b = Counter(only_a), Counter(only_b)
        else:  # rows that stand more than once
            count_a, count_b = Counter(hashes_a) - Counter(hashes_b), Counter(hashes_b) - Counter(hashes_a)
        return pair_rows(pick(first, hashes_a, count_a), pick(second, hashes_b, count_b))

    def verify(self, ref: str) -> DatasetVersion:
        """Compute the fingerprint again from what the rows say, a few thousand rows at a time.

        Raises:
            StorageError: the stored rows are not those that were committed.
        """
        dataset, name = self._at(ref)
        version = self._describe(name, dataset)
        running, count = hashlib.sha256(), 0
        with reading(dataset.uri):
            for stored, row in stream(dataset):
                if stored != row.row_hash:
                    self._refuse_damage(version, f"the stored hash {stored[:12]} is not that of its row")
                # The same bytes as in `set_digest`: the hashes come sorted.
                running.update(b"\n" * (count > 0) + stored.encode())
                count += 1
        if running.hexdigest() != version.fingerprint or count != version.rows:
            self._refuse_damage(version, f"{count} rows have the fingerprint {running.hexdigest()[:12]}")
        return version

    def _refuse_damage(self, version: DatasetVersion, what: str) -> NoReturn:
        raise StorageError(
            what,
            where=f"{version.name}@v{version.version}",
            expected=f"the {version.rows} rows that were committed, {version.fingerprint[:12]}",
            mend=f"restore {self.uri(version.name)} from a copy, or commit the rows again under another name",
        )

    def _exists(self, name: str) -> bool:
        """Whether a version was ever committed: a first commit that was killed leaves a folder without a manifest."""
        return any((Path(self.uri(name)) / "_versions").glob("*.manifest"))

    def _open(self, name: str) -> lance.LanceDataset | None:
        """The newest version, or None when nothing was ever committed."""
        return opened(self.uri(name)) if self._exists(name) else None

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
        with reading(dataset.uri):
            tags = {label: entry["version"] for label, entry in dataset.tags.list().items()}
            versions = [version["version"] for version in dataset.versions()]
        wanted = int(number[1]) if number else tags.get(tag)
        if wanted not in versions:
            known = ", ".join([*sorted(tags), *(f"v{version}" for version in sorted(versions))])
            raise DataError("no such version", where=ref, expected=f"one of: {known}", mend=f"kamerton data log {name}")
        with reading(dataset.uri):
            return dataset.checkout_version(wanted), name

    def _describe(self, name: str, dataset: lance.LanceDataset) -> DatasetVersion:
        number = dataset.version
        with reading(dataset.uri):
            transaction = dataset.read_transaction(number)
            tags = sorted(label for label, entry in dataset.tags.list().items() if entry["version"] == number)
            properties = (transaction.transaction_properties if transaction is not None else None) or {}
            if "kamerton.fingerprint" not in properties:
                raise StorageError(
                    "the version was not written by kamerton",
                    where=f"{self.uri(name)} v{number}",
                    expected="versions made by: kamerton data commit",
                    mend="commit the rows again under another name",
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
        with held(self._folder / f".{name}.lock"), lance_errors(self._folder):
            yield


def _properties(fingerprint: str, rows: int, message: str) -> dict[str, str]:
    """What a version is, kept in its transaction."""
    return {
        "kamerton.fingerprint": fingerprint,
        "kamerton.rows": str(rows),
        "kamerton.created": datetime.now(UTC).isoformat(timespec="seconds"),
        "kamerton.message": message.encode("utf-8", "backslashreplace").decode(),
    }
