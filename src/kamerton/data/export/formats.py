"""The formats: how each makes records of a row, and which kinds of rows share a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from kamerton.data.export.llamafactory import llamafactory_records
from kamerton.data.export.openai import openai_records
from kamerton.data.rows import Row, RowKind
from kamerton.data.shapes import to_record

__all__ = ["FORMATS", "Format", "FormatName"]

FormatName = Literal["jsonl", "openai", "llamafactory", "parquet"]

Records = Callable[[Row, Counter[str]], list[dict[str, Any]]]
"""Records of a row; what is lost is counted; `UnfitError` for a row that cannot be carried."""


@dataclass(frozen=True)
class Format:
    """A format that rows can be exported to."""

    records: Records
    parts: dict[RowKind, str]
    """Part of the file name for each kind of rows; kinds that the format does not carry have the empty part."""
    suffix: str = ".jsonl"


def _canonical(row: Row, lost: Counter[str]) -> list[dict[str, Any]]:
    return [to_record(row)]


def _flat(row: Row, lost: Counter[str]) -> list[dict[str, Any]]:
    """The canonical record with the same columns in every row: answers in one column, tools as a JSON text."""
    record = to_record(row)
    if "chosen" in record:
        record["answers"], record["ranks"] = [record.pop("chosen"), record.pop("rejected")], [0, 1]
    if row.tools:
        record["tools"] = row.tools
    return [record]


_KINDS: Final[dict[RowKind, str]] = {"conversation": "", "text": "text", "rated": "rated", "ranked": "ranked"}

FORMATS: Final[dict[FormatName, Format]] = {
    "jsonl": Format(_canonical, _KINDS),
    "openai": Format(openai_records, {"conversation": "", "ranked": "preference", "text": "", "rated": ""}),
    "llamafactory": Format(
        llamafactory_records, {"conversation": "", "text": "text", "rated": "kto", "ranked": "ranking"}
    ),
    "parquet": Format(_flat, _KINDS, ".parquet"),
}
assert tuple(FORMATS) == get_args(FormatName)
