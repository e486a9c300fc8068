"""Data sets of the Hugging Face hub: which of their files hold the rows of a subset and split.

`owner/name[@revision][:subset/split]`, or `hf://datasets/owner/name[@revision][/folder]`. The card's `configs` say
which files belong to what; without them the names do, by the rules of the library `datasets`. Files come from
the hub's own cache. Code of a data set is never run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kamerton.data.reading.files import File, LocalFile
from kamerton.data.reading.formats import is_readable
from kamerton.ground.errors import DataError, KamertonError, ServerAwayError, StorageError
from kamerton.ground.settings import offline

__all__ = ["HubId", "hub_files", "hub_id"]

_ID: Final = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[^:@]+))?"
    r"(:(?P<subset>[^/:]*)(/(?P<split>[^/:]+))?)?"
)
_URL: Final = re.compile(
    r"hf://datasets/(?P<repo>[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?)(@(?P<revision>[^/:@]+|refs/[^/:@]+/[^/:@]+))?"
    r"(/(?P<folder>[^:]+))?(:(?P<subset>[^/:]*)(/(?P<split>[^/:]+))?)?"
)
_SHARD: Final = re.compile(r"(?:^|/)data/(?P<split>\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]+$")
_COUNT: Final = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<rest>[^/]*)")
_KEYWORDS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_DESCRIPTIONS: Final = frozenset(
    {"README.md", "config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
)


@dataclass(frozen=True)
class HubId:
    """A subset and split of a data set at a revision."""

    repo: str
    revision: str = "main"
    subset: str = ""
    split: str = ""
    folder: str = ""


@dataclass(frozen=True)
class _Repository:
    """The files of a data set at one commit, and how to get one."""

    commit: str
    names: list[str]
    snapshot: Path | None
    """The cache's folder of this commit, where nothing is fetched."""


def hub_id(source: str) -> HubId | None:
    """What a source names on the hub; None when it cannot be an id, as with a file's suffix."""
    found = _URL.fullmatch(source) or _ID.fullmatch(source)
    if found is None or (source == found["repo"] and is_readable(source)):
        return None
    parts = found.groupdict()
    return HubId(
        parts["repo"],
        parts["revision"] or "main",
        parts["subset"] or "",
        parts["split"] or "",
        (parts.get("folder") or "").strip("/"),
    )


def hub_files(wanted: HubId) -> list[File]:
    """The files with the rows of the subset and split (`train` when none is named), each in the hub's cache.

    Raises:
        DataError: no such data set, revision, subset or split, or it has no data files.
        ServerAwayError: the hub does not answer, or the network is forbidden and the cache does not have it.
    """
    with _errors(wanted.repo):
        repository = _cached(wanted) if offline() else _listed(wanted)
        names = [name for name in repository.names if _is_data(name, wanted.folder)]
        if not names:
            script = any(name.endswith(".py") for name in repository.names)
            raise DataError(
                "the rows are made by a script, which is never run" if script else "no data files",
                where=wanted.repo,
                expected="files such as Parquet or JSON lines",
                mend=f"{wanted.repo}@refs/convert/parquet, where the hub converted them" if script else "",
            )
        card = _card(wanted, repository)
        chosen = _of_split(wanted, _splits(wanted, names, card))
        return [
            LocalFile(_fetched(wanted, repository, name), f"{wanted.repo}@{repository.commit[:12]}/{name}")
            for name in chosen
        ]


def _listed(wanted: HubId) -> _Repository:
    """What the hub says."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=os.environ.get("HF_ENDPOINT")).dataset_info(wanted.repo, revision=wanted.revision)
    return _Repository(info.sha or wanted.revision, sorted(file.rfilename for file in info.siblings or ()), None)


def _cached(wanted: HubId) -> _Repository:
    """What the cache has; nothing is asked of the network."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"datasets--{wanted.repo.replace('/', '--')}"
    reference = folder / "refs" / wanted.revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else wanted.revision
    snapshot = folder / "snapshots" / commit
    if ".." in Path(wanted.revision).parts or not snapshot.is_dir():
        raise ServerAwayError(
            "HF_HUB_OFFLINE forbids the network, and the cache does not have it",
            where=f"{wanted.repo}@{wanted.revision}",
            expected=f"{snapshot}",
            mend=f"hf download --repo-type dataset {wanted.repo} --revision {wanted.revision}",
        )
    files = (path for path in snapshot.rglob("*") if path.is_file())
    return _Repository(commit, sorted(path.relative_to(snapshot).as_posix() for path in files), snapshot)


def _fetched(wanted: HubId, repository: _Repository, name: str) -> Path:
    if repository.snapshot is not None:
        return repository.snapshot / name
    from huggingface_hub import hf_hub_download

    endpoint, revision = os.environ.get("HF_ENDPOINT"), wanted.revision
    path = Path(hf_hub_download(wanted.repo, name, repo_type="dataset", revision=revision, endpoint=endpoint))
    if repository.commit not in path.parts:
        raise DataError(
            "the data set was changed while it was read",
            where=wanted.repo,
            expected=f"files of the commit {repository.commit}",
            mend="run the command again, or name the commit as revision",
        )
    return path


def _is_data(name: str, folder: str) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith((".", "__")) for part in parts)
    inside = not folder or name.startswith(f"{folder}/")
    return inside and not hidden and is_readable(name) and parts[-1] not in _DESCRIPTIONS


def _card(wanted: HubId, repository: _Repository) -> list[Mapping[str, Any]]:
    """The `configs` of the card, one a subset; empty when it has none."""
    if "README.md" not in repository.names:
        return []
    import yaml

    text = _fetched(wanted, repository, "README.md").read_text(encoding="utf-8", errors="replace")
    front = re.match(r"---[ \t]*\r?\n(.*?)\r?\n---", text, re.DOTALL)
    try:
        # The safe loader makes plain values only.
        card = yaml.safe_load(front[1]) if front else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError("the card's metadata is not YAML", where=f"{wanted.repo}/README.md") from error
    configs = card.get("configs") if isinstance(card, dict) else None
    return [config for config in configs if isinstance(config, dict)] if isinstance(configs, list) else []


def _splits(wanted: HubId, names: Sequence[str], card: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The files of each split of the subset."""
    subsets = {str(config.get("config_name", "default")): config for config in card}
    config = subsets.get(wanted.subset)
    if config is None and not wanted.subset:
        usual = [one for one in card if one.get("default") is True or len(card) == 1]
        config = usual[0] if usual else subsets.get("default")
        if config is None and card:
            raise DataError(
                "the set has several subsets, and none is the usual one",
                where=wanted.repo,
                expected=f"one of {', '.join(sorted(subsets))}",
                mend=f"{wanted.repo}:{min(subsets)}",
            )
    if config is None and wanted.subset not in {"", "default"}:
        # `name:split` of a set without subsets.
        by_name = _by_names(names)
        if not card and not wanted.split and wanted.subset in by_name:
            return {"train": by_name[wanted.subset]}
        raise DataError(
            f"no subset {wanted.subset!r}", where=wanted.repo, expected=", ".join(sorted(subsets)) or "the set has none"
        )
    folder = str((config or {}).get("data_dir") or "").strip("/")
    if folder:
        names = [name for name in names if name.startswith(f"{folder}/")]
    given = (config or {}).get("data_files")
    if given is None:
        return _by_names(names)
    return {split: _matching(names, patterns, folder) for split, patterns in _patterns(wanted, given).items()}


def _patterns(wanted: HubId, given: Any) -> dict[str, list[str]]:
    """The globs of each split: `data_files` is a glob, a list of globs, or says the split of each."""
    pairs: list[tuple[Any, Any]]
    if isinstance(given, dict):
        pairs = list(given.items())
    elif isinstance(given, list) and any(isinstance(item, dict) for item in given):
        pairs = [(item.get("split"), item.get("path")) for item in given if isinstance(item, dict)]
    else:
        pairs = [("train", given)]
    patterns: dict[str, list[str]] = {}
    for split, path in pairs:
        listed = path if isinstance(path, list) else [path]
        if not isinstance(split, str) or not all(isinstance(one, str) for one in listed):
            raise DataError("the card's data_files cannot be understood", where=wanted.repo, expected="split and path")
        patterns.setdefault(split, []).extend(listed)
    return patterns


def _matching(names: Sequence[str], patterns: Sequence[str], folder: str) -> list[str]:
    """The names that a glob matches, in the order of the globs; `**` crosses folders."""
    from fsspec.utils import glob_translate

    found: dict[str, None] = {}
    for pattern in patterns:
        rooted = f"{folder}/{pattern}" if folder else pattern
        expression = re.compile(glob_translate(rooted.removeprefix("./")))
        found |= dict.fromkeys(name for name in names if expression.match(name))
    return list(found)


def _by_names(names: Sequence[str]) -> dict[str, list[str]]:
    """Splits by shards `data/SPLIT-00000-of-00001.x`, else by words in folders, else in files, else all is `train`."""
    shards: dict[str, list[str]] = {}
    for name in names:
        if found := _SHARD.search(name):
            shards.setdefault(found["split"], []).append(name)
    if shards:
        return shards
    for of_folder in (True, False):
        splits: dict[str, list[str]] = {}
        for name in names:
            folders, _, base = name.rpartition("/")
            parts = folders.split("/") if of_folder else [base]
            for split, words in _KEYWORDS.items():
                if any(_has_word(part, words) for part in parts):
                    splits.setdefault(split, []).append(name)
        if splits:
            return splits
    return {"train": list(names)}


def _has_word(part: str, words: Sequence[str]) -> bool:
    return any(re.search(rf"(?:^|[-._ 0-9]){word}(?:$|[-._ 0-9])", part) for word in words)


def _of_split(wanted: HubId, splits: Mapping[str, list[str]]) -> list[str]:
    split = wanted.split or "train"
    chosen = splits.get(split)
    if not chosen:
        there = sorted(name for name, files in splits.items() if files)
        raise DataError(
            f"no split {split!r}" if split not in splits else f"the split {split!r} has no data files",
            where=wanted.repo,
            expected=f"one of {', '.join(there)}" if there else "data files",
            mend=f"{wanted.repo}:{wanted.subset or 'default'}/{there[0]}" if there else "",
        )
    for name in chosen:
        if found := _COUNT.fullmatch(name):
            shards = [f"{found['stem']}-{number:05}-of-{found['total']}" for number in range(int(found["total"]))]
            if absent := [shard for shard in shards if not any(one.startswith(shard) for one in chosen)]:
                raise DataError(
                    f"{len(absent)} of {len(shards)} pieces are not here; the first: {absent[0]}",
                    where=wanted.repo,
                    expected="all of them",
                    mend=f"hf download --repo-type dataset {wanted.repo} --revision {wanted.revision}",
                )
    return chosen


@contextmanager
def _errors(repo: str) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except KamertonError:
        raise
    except (errors.RepositoryNotFoundError, errors.GatedRepoError) as error:
        raise DataError(
            "the hub has no such data set, or you may not see it", where=repo, mend="hf auth login, if it is private"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DataError("no such revision", where=repo, expected="a branch, tag or commit") from error
    except errors.HFValidationError as error:
        raise DataError(str(error), where=repo, expected="owner/name") from error
    except PermissionError as error:
        raise StorageError("permission denied", where=str(error.filename or repo)) from error
    except (OSError, getattr(errors, "HTTPError", OSError)) as error:
        lines = str(error).splitlines()
        raise ServerAwayError(
            f"the hub does not answer: {lines[0] if lines else type(error).__name__}",
            where=repo,
            mend="HF_HUB_OFFLINE=1 reads what the cache has",
        ) from error
