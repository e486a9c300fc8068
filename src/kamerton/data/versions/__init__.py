"""Versions: immutable sets of rows in the store, what changed between two, and how two are merged."""

from kamerton.data.versions.changes import Change, Diff, FieldChange
from kamerton.data.versions.merge import Conflict, Merge, merge
from kamerton.data.versions.pointer import read_pointer, write_pointer
from kamerton.data.versions.spans import Span, word_spans
from kamerton.data.versions.store import DatasetStore, parse_ref

__all__ = [
    "Change",
    "Conflict",
    "DatasetStore",
    "Diff",
    "FieldChange",
    "Merge",
    "Span",
    "merge",
    "parse_ref",
    "read_pointer",
    "word_spans",
    "write_pointer",
]
