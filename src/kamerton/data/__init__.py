"""Data: read, check, find duplicates, split and store what a model learns from.

Floor 3. A row is a conversation or a text with its file and line; a step takes rows and options and gives rows and
findings. Lance and Arrow are imported when the store or a Parquet file is used.
"""

from kamerton.data.check import report
from kamerton.data.cleaning import CleanResult, clean
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.reading import ReadResult, read_sources
from kamerton.data.rows import Row
from kamerton.data.shapes import Shape, recognise, to_row
from kamerton.data.split import SplitResult, parted_clusters, split
from kamerton.data.versions import DatasetStore, Diff, parse_ref, read_pointer, write_pointer

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
    "parted_clusters",
    "read_pointer",
    "read_sources",
    "recognise",
    "report",
    "split",
    "to_row",
    "write_pointer",
]
