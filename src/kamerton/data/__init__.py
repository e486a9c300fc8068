"""Data: read, check, find duplicates, split and store what a model learns from.

Floor 3. A row is a conversation or a text with its file and line; a step takes rows and options and gives rows and
findings. Lance and Arrow are imported when the store or a Parquet file is used.
"""

from kamerton.data.check import CleanResult, clean, report
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.pointer import read_pointer, write_pointer
from kamerton.data.read import ReadResult, read_sources
from kamerton.data.rows import Row
from kamerton.data.shapes import Shape, recognise, to_row
from kamerton.data.split import SplitResult, split
from kamerton.data.store import DatasetStore, Diff, parse_ref

__all__ = [
    "CleanResult",
    "DatasetStore",
    "Diff",
    "ReadResult",
    "Row",
    "Shape",
    "SplitResult",
    "clean",
    "near_duplicate_clusters",
    "parse_ref",
    "read_pointer",
    "read_sources",
    "recognise",
    "report",
    "split",
    "to_row",
    "write_pointer",
]
