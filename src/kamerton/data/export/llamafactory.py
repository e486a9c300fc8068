"""LLaMA-Factory: conversations as sharegpt turns, and the entries of `dataset_info.json` that name them.

Written for LLaMA-Factory 0.9.5: where an entry has `columns`, every column that it leaves out is absent.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import orjson

from kamerton.chat.messages import Message
from kamerton.data.export.report import UnfitError
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError

__all__ = ["INFO", "entries_with", "llamafactory_records"]

INFO: Final = "dataset_info.json"

_TALK: Final = {"messages": "conversations", "system": "system", "tools": "tools"}
_ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "": {"formatting": "sharegpt", "columns": _TALK},
    "text": {"columns": {"prompt": "text"}},
    "kto": {"formatting": "sharegpt", "columns": {**_TALK, "kto_tag": "kto_tag"}},
    "ranking": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {**_TALK, "chosen": "chosen", "rejected": "rejected"},
    },
}
"""The entry of each part, but for its file."""


def llamafactory_records(row: Row, lost: Counter[str]) -> list[dict[str, Any]]:
    """The records of a row; a ranking of more than two answers becomes pairs of the best with each of the others."""
    names = [name for name in ("category", "group", "task", "time", "augmented_from") if getattr(row, name)]
    if row.text is not None:
        lost.update(names)
        return [{"text": row.text}]
    messages = list(row.messages or ())
    record: dict[str, Any] = {}
    if messages and messages[0]["role"] == "system":
        record["system"] = messages.pop(0)["content"]
    turns = [_turn(message) for message in messages]
    for number, turn in enumerate(turns):
        expected = ("gpt", "function_call") if number % 2 else ("human", "observation")
        if turn["from"] not in expected:
            what = f"turn {number + 1} is {turn['from']}; sharegpt expects {' or '.join(expected)} there"
            raise UnfitError("turns_do_not_alternate", what)
    if not turns or (len(turns) % 2 == 1) != bool(row.ranked):
        raise UnfitError("turns_do_not_alternate", "the conversation ends with the wrong side")
    record = {"conversations": turns, **record, **({"tools": row.tools} if row.tools else {})}
    if row.liked is not None:
        record["kto_tag"] = row.liked
    everything = [*messages, *row.ranked]
    names += [name for name in ("name", "tool_call_id") if any(name in message for message in everything)]
    lost.update(names)
    if any("id" in call for message in everything for call in message.get("tool_calls", ())):
        lost["id of a tool call"] += 1
    if not row.ranked:
        return [record]
    if len(row.ranked) > 2:
        lost["the order of all answers but the best"] += 1
    best, *others = (_turn(answer) for answer in row.ranked)
    return [{**record, "chosen": best, "rejected": other} for other in others]


def _turn(message: Message) -> dict[str, str]:
    role, content = message["role"], message["content"]
    if not message.get("trained", True):
        raise UnfitError("untrained_answer", "an answer is shown and not learned; the format would have it learned")
    calls = message.get("tool_calls")
    if calls:
        if content.strip():
            raise UnfitError("text_beside_call", "a turn has a text and tool calls; a function_call turn has one value")
        made = [{"name": call["name"], "arguments": orjson.loads(call["arguments"])} for call in calls]
        return {"from": "function_call", "value": orjson.dumps(made[0] if len(made) == 1 else made).decode()}
    names = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}
    return {"from": names[role], "value": content}


def entries_with(folder: Path, files: dict[str, Path], name: str) -> dict[str, Any]:
    """The entries of a folder's `dataset_info.json` and those of these files; others stay as they are, in their order.

    Args:
        files: the file of each part.

    Raises:
        DataError: `dataset_info.json` is no object of data sets, or one of the names belongs to another file.
    """
    path = folder / INFO
    entries = _known(path)
    for part, file in files.items():
        label = f"{name}_{part}" if part else name
        taken = entries.get(label)
        if taken is not None and taken.get("file_name") != file.name:
            raise DataError(
                f"the entry {label} names other rows: {taken.get('file_name', 'no file')}",
                where=str(path),
                expected=f"no such entry, or one of {file.name}",
                mend="choose another folder, or take the entry out",
            )
        entries[label] = {"file_name": file.name, **_ENTRIES[part]}
    return entries


def _known(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"not JSON: {error}", where=str(path), expected="an object of data sets") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise DataError("not an object of data sets", where=str(path), expected='{"name": {"file_name": ...}, ...}')
    return entries
