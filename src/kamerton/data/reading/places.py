"""Where rows come from: a source as the user writes it, and the files that it means."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from kamerton.data.reading.files import File, LocalFile, refused, sayable
from kamerton.data.reading.formats import SUFFIXES, is_readable
from kamerton.data.reading.hub import HubId, hub_files, hub_id
from kamerton.data.reading.remote import remote_files
from kamerton.data.reading.stream import COMPRESSIONS
from kamerton.data.shapes.dataset_info import Entry, read_entry
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding

if TYPE_CHECKING:
    from kamerton.data.shapes import Layout

__all__ = ["Place", "find"]

_ENTRY: Final = re.compile(r"(?P<path>.*\.json):(?P<name>[^/:]+)")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DESCRIPTIONS: Final = frozenset(
    {"readme.md", "license.md", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
)
"""Files that describe a folder's rows and hold none."""
_NAMED: Final = 10


@dataclass(frozen=True)
class Place:
    """The files of one source, in order, and what the source says about their rows."""

    files: list[File]
    findings: list[Finding] = field(default_factory=list)
    layout: Layout | None = None
    """How the rows are laid out, where an entry of a `dataset_info.json` says so."""
    max_rows: int | None = None
    sample: int | None = None
    """Rows to take at random; some stand repeatedly when there are fewer."""


def find(source: str, root: Path) -> Place:
    """The files of a source; paths are relative to `root`.

    Raises:
        DataError: nothing is there, or nothing that can be read.
        StorageError, ServerAwayError, MissingExtraError: it is out of reach.
    """
    if "\x00" in source or not source.strip():
        raise DataError("no name of a source", where=repr(source), expected="a file, folder, glob, URL or hub id")
    if (entry := _ENTRY.fullmatch(source)) and not _URL.match(source):
        return _entry(source, root, entry["path"], entry["name"])
    if source.rsplit("/", 1)[-1] == "dataset_info.json":
        raise DataError("it describes data sets and holds no rows", where=source, expected=f"{source}:NAME")
    return _found(source, root)


def _found(source: str, root: Path, subset: str = "", split: str = "") -> Place:
    if source.lower().startswith(("file://", "local://")):
        parts = urlsplit(source)
        return _local(unquote(parts.netloc + parts.path), root)
    if source.lower().startswith("hf://"):
        wanted = hub_id(source)
        if wanted is None:
            raise DataError("no hub id", where=source, expected="hf://datasets/owner/name[@revision][/folder]")
        return _on_hub(wanted, subset, split)
    if _URL.match(source):
        return _chosen(source, remote_files(source))
    wanted = None if glob.has_magic(source) else hub_id(source)
    # `data/rows` beside a folder `data` is a file that is not there; hf://datasets/data/rows is never a path.
    if wanted is not None and not _path(source.split("/")[0], root).exists():
        return _on_hub(wanted, subset, split)
    return _local(source, root)


def _on_hub(wanted: HubId, subset: str, split: str) -> Place:
    return Place(hub_files(replace(wanted, subset=wanted.subset or subset, split=wanted.split or split)))


def _entry(source: str, root: Path, path: str, name: str) -> Place:
    """The files of an entry of a `dataset_info.json`."""
    entry: Entry = read_entry(_path(path, root), name)
    files: list[File] = []
    findings: list[Finding] = []
    for location in entry.locations:
        where = location if _URL.match(location) else str(Path(location).absolute())
        place = _found(where, root, entry.subset, entry.split)
        files += place.files
        findings += place.findings
    if not files:
        raise DataError("the entry names no files", where=source, expected="file_name or hf_hub_url")
    return Place(files, findings, entry.layout, entry.max_rows, entry.sample)


def _path(source: str, root: Path) -> Path:
    return Path(os.path.expanduser(source)) if source.startswith("~/") else root / source


def _local(source: str, root: Path) -> Place:
    literal = _path(source, root)
    try:
        if literal.is_dir():
            return _chosen(source, [LocalFile(path, _name(path, root)) for path in _below(literal)])
        if literal.exists():
            return Place([_readable(LocalFile(literal, _name(literal, root)))])
        found = [Path(name) for name in sorted(glob.glob(str(literal), recursive=True)) if Path(name).is_file()]
    except OSError as error:
        raise refused(literal, error) from error
    if found:
        return _chosen(source, [LocalFile(path, _name(path, root)) for path in found])
    raise DataError(
        "no file matches" if glob.has_magic(source) else "no such file",
        where=source,
        expected=f"a {', '.join(SUFFIXES)} file below {root.resolve()}",
        mend="kamerton data log lists the data-set versions" if "@" in source else f"ls {literal.parent}",
    )


def _below(folder: Path) -> list[Path]:
    """The files below a folder by their names, without hidden ones and without following links to folders."""
    found = []

    def refuse(error: OSError) -> None:
        raise error

    for at, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(at) / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _readable(file: File) -> File:
    """The file, when its name says how to read it.

    Raises:
        DataError: there is no reader.
    """
    if is_readable(file.name):
        return file
    suffix = Path(file.name).suffix.lower()
    raise DataError(
        f"no reader for {suffix!r}" if suffix else "the file name has no suffix",
        where=file.name,
        expected=f"{', '.join(SUFFIXES)}; texts also with {' or '.join(COMPRESSIONS)}",
        mend="rename or convert the file",
    )


def _chosen(source: str, files: Iterable[File]) -> Place:
    """The readable files; the others are named in a finding.

    Raises:
        DataError: none is readable.
    """
    several = list(files)
    if len(several) == 1 and several[0].name == source:
        return Place([_readable(several[0])])
    kept = [file for file in several if is_readable(file.name) and not _describes(file.name)]
    left = [file.name for file in several if file not in kept]
    if not kept:
        raise DataError(
            "nothing here can be read" if left else "no files are here",
            where=source,
            expected=f"files with the suffix {', '.join(SUFFIXES)}",
            mend="name the files, or convert them",
        )
    return Place(kept, [_not_read(source, left)] if left else [])


def _describes(name: str) -> bool:
    return name.rsplit("/", 1)[-1].lower() in _DESCRIPTIONS


def _not_read(source: str, names: list[str]) -> Finding:
    """Says which files of a source are no data files."""
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    message = f"not read, for there is no reader or they hold no rows: {shown}"
    return Finding(file=sayable(source), line=0, kind="not_read", message=sayable(message), severity="warning")


def _name(path: Path, root: Path) -> str:
    folder = root.absolute() if path.is_absolute() else root
    return sayable(path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix())
