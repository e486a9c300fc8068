"""Versions of data sets: the pointer that Git keeps, verify, restore, and the merge of two pointers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kamerton.data import DatasetStore, Diff, read_pointer, write_pointer
from kamerton.data.versions import Merge, merge
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.records.data import DatasetPointer, DatasetVersion

__all__ = ["ATTRIBUTES", "GIT_CONFIG", "MergedData", "merge_data", "point", "restore_data", "verify_data"]

ATTRIBUTES = "datasets/*.json merge=kamerton-pointer\n"
"""The line of `.gitattributes` that gives pointers to the merge driver."""

GIT_CONFIG = 'git config merge.kamerton-pointer.driver "kamerton data merge %O %A %B %P"'
"""What each clone must say once: Git takes no programs from a repository."""


@dataclass(frozen=True)
class MergedData:
    """What became of two versions of a data set."""

    base: DatasetVersion | None
    """None where both sides made the data set anew."""
    ours: DatasetVersion
    theirs: DatasetVersion
    our_diff: Diff
    """What this side did to the base."""
    their_diff: Diff
    merge: Merge
    version: DatasetVersion | None
    """The merged version; None when there are conflicts."""


def point(version: DatasetVersion, workspace: Workspace, *, tag: str = "") -> Path:
    """Write the pointer file of a version, which belongs in Git; the store is named relative to the project."""
    path = workspace.pointers / f"{version.name}.json"
    write_pointer(path, version, _uri(version.name, workspace), tag=tag)
    return path


def restore_data(ref: str, workspace: Workspace | None = None, *, message: str = "") -> tuple[DatasetVersion, Path]:
    """Make an old version the newest again, and let the pointer name it.

    Raises:
        DataError: no such version.
    """
    place = (workspace or Workspace.at()).ensure()
    version = DatasetStore(place).restore(ref, message=message)
    return version, point(version, place)


def verify_data(refs: Sequence[str], workspace: Workspace | None = None) -> list[DatasetVersion]:
    """Compute fingerprints again from what the rows say: of the versions named, or of all versions of all data sets.

    All are looked at before a damaged one is told of.

    Raises:
        DataError: no such version.
        StorageError: the rows of a version are not those that were committed.
    """
    store = DatasetStore(workspace or Workspace.at())
    versions: list[DatasetVersion] = []
    damaged: dict[str, StorageError] = {}
    for ref in list(refs) or store.names():
        try:
            wanted = [ref] if "@" in ref else [_ref(version) for version in store.log(ref)]
        except StorageError as error:
            damaged[ref] = error
            continue
        for one in wanted:
            try:
                versions.append(store.verify(one))
            except StorageError as error:
                damaged[one] = error
    if damaged:
        first = next(iter(damaged.values()))
        raise StorageError(
            f"damaged, while {len(versions)} other versions are as they were committed: {first.what}",
            where=", ".join(damaged),
            expected="the rows that were committed",
            mend=first.mend,
        ) from first
    return versions


def merge_data(base: Path, ours: Path, theirs: Path, workspace: Workspace | None = None) -> MergedData:
    """Merge the rows that two pointers name, commit them, and write the pointer of the merged version to `ours`.

    Versions are found by their fingerprints: another store may number them otherwise. Where both sides changed a row
    in their own ways, nothing is committed or written.

    Args:
        base: pointer of the common ancestor; an empty file for none.

    Raises:
        DataError: the pointers name different data sets, or a version whose rows this store does not have.
        StorageError: not a pointer.
    """
    pointers = [read_pointer(path) for path in (ours, theirs)]
    started = base.exists() and base.stat().st_size > 0
    if started:
        pointers.append(read_pointer(base))
    name = pointers[0].name
    if {pointer.name for pointer in pointers} != {name}:
        names = ", ".join(dict.fromkeys(pointer.name for pointer in pointers))
        raise DataError("the pointers name different data sets", where=names, expected="three pointers of one data set")
    place = workspace or Workspace.at()
    store = DatasetStore(place)
    our_version, their_version, *before = [_found(pointer, store) for pointer in pointers]
    old = before[0] if before else None
    our_diff, their_diff = _way(store, old, our_version), _way(store, old, their_version)
    way = merge(our_diff, their_diff)
    merged = None if way.conflicts else _merged(store, way, our_version, their_version, old)
    if merged is not None:
        write_pointer(ours, merged, _uri(name, place))
    return MergedData(old, our_version, their_version, our_diff, their_diff, way, merged)


def _found(pointer: DatasetPointer, store: DatasetStore) -> DatasetVersion:
    """The version with the rows that a pointer names."""
    version = store.find(pointer.name, pointer.fingerprint)
    if version is None:
        ref = f"{pointer.name}@v{pointer.version}"
        raise DataError(
            f"this store does not have the {pointer.rows} rows of {ref}, fingerprint {pointer.fingerprint[:12]}",
            where=store.uri(pointer.name),
            expected="the rows of both sides and of their common base",
            mend=f"where they were committed ({pointer.uri}): kamerton data export {ref} --out FILE.jsonl; "
            f"here: git merge --abort, kamerton data commit {pointer.name} FILE.jsonl, "
            f"git checkout datasets/{pointer.name}.json; then merge again",
        )
    return version


def _way(store: DatasetStore, base: DatasetVersion | None, version: DatasetVersion) -> Diff:
    """What one side did to the base."""
    if base is None:
        return Diff(added=store.rows(_ref(version)), removed=[], changed=[])
    return store.diff(_ref(base), _ref(version))


def _merged(
    store: DatasetStore, way: Merge, ours: DatasetVersion, theirs: DatasetVersion, base: DatasetVersion | None
) -> DatasetVersion:
    if not way.add and not way.remove:
        return ours
    if base is not None and base.fingerprint == ours.fingerprint:
        return theirs
    origin = f" since v{base.version}" if base is not None else ""
    message = f"v{theirs.version} merged into v{ours.version}{origin}"
    return store.commit(ours.name, way.applied(store.rows(_ref(ours))), message=message)


def _ref(version: DatasetVersion) -> str:
    return f"{version.name}@v{version.version}"


def _uri(name: str, workspace: Workspace) -> str:
    path = Path(DatasetStore(workspace).uri(name))
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else path.as_posix()
