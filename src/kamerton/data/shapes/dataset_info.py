"""Entries of LLaMA-Factory's `dataset_info.json`, as LLaMA-Factory 0.9.5 means them.

An entry says where the rows are (the hub, a cloud file, or a file or folder beside `dataset_info.json`), which columns
play which part, and how turns are tagged. Where `columns` (or `tags`) is present, every name that it leaves out is
absent, not its default. What it ignores without a word, as a misspelt key, is an error here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kamerton.data.shapes.faults import misspelt
from kamerton.data.shapes.layout import Layout, Shape, Speaker, Tags
from kamerton.ground.errors import DataError

__all__ = ["Entry", "read_entry"]

_COLUMNS: Final[dict[str, str | None]] = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": None,
    "messages": "conversations",
    "system": None,
    "tools": None,
    "images": None,
    "videos": None,
    "audios": None,
    "chosen": None,
    "rejected": None,
    "kto_tag": None,
}
_TAGS: Final[dict[str, str | None]] = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_SPEAKERS: Final[dict[str, Speaker]] = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "call",
    "system_tag": "system",
}
_MEDIA: Final = ("images", "videos", "audios")
_KEYS: Final[dict[str, type]] = {
    "hf_hub_url": str,
    "ms_hub_url": str,
    "om_hub_url": str,
    "script_url": str,
    "cloud_file_name": str,
    "file_name": str,
    "formatting": str,
    "ranking": bool,
    "subset": str,
    "split": str,
    "folder": str,
    "num_samples": int,
    "columns": dict,
    "tags": dict,
    "file_sha1": str,
}
"""Keys of an entry and their types; `file_sha1` is of older versions, and nobody reads it any more."""
_FORMATS: Final = ("alpaca", "sharegpt", "openai")
_SUFFIXES: Final = {
    ".arrow": ".arrow",
    ".csv": ".csv",
    ".json": ".json",
    ".jsonl": ".json",
    ".parquet": ".parquet",
    ".txt": ".txt",
}
"""The file types that LLaMA-Factory reads; JSON and JSON lines are one."""


@dataclass(frozen=True)
class Entry:
    """One data set."""

    locations: list[str]
    """Files, one cloud URL, or `hf://datasets/ID` (with the folder below it) for the hub."""
    layout: Layout
    split: str = "train"
    subset: str = ""
    max_rows: int | None = None
    sample: int | None = None
    """How many rows to draw at random; more than there are repeats some of them. None takes all."""


def read_entry(path: Path, name: str) -> Entry:
    """One entry of a `dataset_info.json`.

    Raises:
        DataError: no such file or entry, a key that is not known, or rows that cannot be read from here (scripts,
            other hubs than Hugging Face's, images, videos and audios).
    """
    entry = _entry(path, name)
    where = f"{path}:{name}"
    _check_keys(entry, _KEYS, where)
    for key, kind in _KEYS.items():
        value = entry.get(key)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise DataError(f"{key} is {value!r}", where=where, expected=f"a value of the type {kind.__name__}")
    columns = _names(entry, "columns", _COLUMNS, where)
    tags = _names(entry, "tags", _TAGS, where)
    for part in _MEDIA:
        if columns[part]:
            raise DataError(
                f"the column {columns[part]} holds {part}, and Kamerton trains on text alone",
                where=where,
                expected="an entry without images, videos and audios",
                mend=f"take {part} out of columns, and the rows that speak of them out of the file",
            )
    sample = entry.get("num_samples")
    if sample is not None and sample < 1:
        raise DataError(f"num_samples is {sample}", where=where, expected="at least 1")
    return Entry(
        _locations(entry, path.parent, where),
        _layout(entry, columns, tags, where),
        split=entry.get("split") or "train",
        subset=entry.get("subset") or "",
        sample=sample,
    )


def _entry(path: Path, name: str) -> dict[str, Any]:
    try:
        info = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"not readable: {error.strerror}", where=str(path), mend=f"ls {path.parent}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", where=str(path), expected="an object with data sets by name") from error
    if not isinstance(info, dict):
        raise DataError("not a JSON object", where=str(path), expected="an object with data sets by name")
    if name not in info:
        shown = ", ".join(sorted(info)[:12]) + (", ..." if len(info) > 12 else "")
        raise DataError(f"no data set {name!r}{misspelt(info, [name])}", where=str(path), expected=shown or "an entry")
    entry = info[name]
    if not isinstance(entry, dict):
        raise DataError("the entry is not an object", where=f"{path}:{name}", expected="an object with file_name")
    return entry


def _check_keys(given: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key in given:
        if key not in known:
            raise DataError(f"unknown key {key!r}{misspelt(known, [key])}", where=where, expected=", ".join(known))


def _names(entry: Mapping[str, Any], key: str, usual: Mapping[str, str | None], where: str) -> dict[str, str]:
    """The names of `columns` or `tags`; those that are absent are empty."""
    given = entry.get(key)
    if given is None:
        return {name: value or "" for name, value in usual.items()}
    _check_keys(given, usual, f"{where} {key}")
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise DataError(f"{name} is {value!r}", where=f"{where} {key}", expected="a name")
    return {name: given.get(name) or "" for name in usual}


def _locations(entry: Mapping[str, Any], folder: Path, where: str) -> list[str]:
    """Where the rows are: the first of hub, script, cloud file and file that is set."""
    if hub := entry.get("hf_hub_url"):
        return [f"hf://datasets/{hub}" + (f"/{entry['folder']}" if entry.get("folder") else "")]
    refused = {
        "ms_hub_url": "ModelScope's hub is not read",
        "om_hub_url": "the Modelers hub is not read",
        "script_url": "a loading script would be run as code",
    }
    for key, reason in refused.items():
        if entry.get(key):
            raise DataError(
                f"{key}: {reason}",
                where=where,
                expected="hf_hub_url, cloud_file_name or file_name",
                mend="download the rows, and give their file as file_name",
            )
    if cloud := entry.get("cloud_file_name"):
        return [str(cloud)]
    name = entry.get("file_name")
    if not name:
        raise DataError("nothing says where the rows are", where=where, expected="file_name, or hf_hub_url")
    path = folder / name
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise DataError(f"no file or folder {name}", where=where, expected=f"it beside {folder}", mend=f"ls {folder}")
    files = sorted(file for file in path.iterdir() if file.is_file())
    kinds = {_SUFFIXES.get(file.suffix, file.suffix or file.name) for file in files}
    if len(kinds) != 1 or not kinds <= {*_SUFFIXES.values()}:
        found = ", ".join(sorted(kinds)) or "no files"
        raise DataError(f"the folder {name} has {found}", where=where, expected="files of one type, such as .jsonl")
    return [str(file) for file in files]


def _layout(entry: Mapping[str, Any], columns: dict[str, str], tags: dict[str, str], where: str) -> Layout:
    """The layout that the formatting, the columns and the tags make."""
    formatting = entry.get("formatting") or "alpaca"
    if formatting not in _FORMATS:
        hint = misspelt(_FORMATS, [formatting])
        raise DataError(f"formatting is {formatting!r}{hint}", where=where, expected=", ".join(_FORMATS))
    ranking, rated = bool(entry.get("ranking")), bool(columns["kto_tag"])
    if ranking and rated:
        raise DataError("both ranking and kto_tag are set", where=where, expected="one of the two")
    needed = ["chosen", "rejected"] if ranking else []
    speakers: tuple[tuple[str, Speaker], ...] = ()
    if formatting == "alpaca":
        shape: Shape = "alpaca"
        if not columns["prompt"] and not columns["query"]:
            needed.append("prompt")
        if rated:
            needed.append("response")
    else:
        shape = "messages" if formatting == "openai" else "sharegpt"
        needed.append("messages")
        absent = [tag for tag in ("role_tag", "content_tag", "user_tag", "assistant_tag") if not tags[tag]]
        if absent:
            raise DataError(f"tags has no {absent[0]}", where=where, expected="where tags is present, all that is used")
        speakers = tuple((tags[tag], who) for tag, who in _SPEAKERS.items() if tags[tag])
    for name in needed:
        if not columns[name]:
            raise DataError(f"columns has no {name}", where=where, expected=f'"columns": {{"{name}": "..."}}')
    named: dict[str, Any] = {
        part: (columns[key],) if columns[key] else () for part, key in _parts(formatting, ranking).items()
    }
    if formatting == "alpaca" and not ranking and not columns["response"]:
        if columns["history"]:
            raise DataError("a history without a response", where=where, expected="response, or no history")
        texts = [*named["prompt"], *named["input"]]
        return Layout("text", text=(texts[0],), input=tuple(texts[1:]))
    kind: Shape = "preference" if ranking else "rated" if rated else shape
    turns = Tags(tags["role_tag"], tags["content_tag"], speakers) if speakers else Tags()
    return Layout(kind, **named, tags=turns)


def _parts(formatting: str, ranking: bool) -> dict[str, str]:
    """Which of our parts each name in `columns` fills; the others are not read."""
    parts = {"system": "system", "tools": "tools", "liked": "kto_tag"}
    if formatting == "alpaca":
        parts |= {"prompt": "prompt", "input": "query", "history": "history"}
        parts |= {} if ranking else {"answer": "response"}
    else:
        parts |= {"messages": "messages"}
    return parts | ({"chosen": "chosen", "rejected": "rejected"} if ranking else {})
