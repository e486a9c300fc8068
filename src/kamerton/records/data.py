"""What is remembered about the data: findings by file and line, sources, and the report of a check."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from kamerton.records.augmentation import AugmentationReport
from kamerton.records.base import Part, Record
from kamerton.records.cleaning import CleaningReport
from kamerton.records.leaks import LeakReport
from kamerton.records.privacy import PrivacyReport
from kamerton.records.statistics import ChecklistItem, DataStatistics

__all__ = [
    "AnswerLengths",
    "DataReport",
    "DatasetPointer",
    "DatasetVersion",
    "DuplicateClusters",
    "Finding",
    "SourceReport",
]


class Finding(Part):
    """One thing that is wrong, or worth a look, at one place."""

    file: str
    """The file as the recipe names it."""
    line: int
    """Line (or Parquet row) from 1 where the row starts; 0 stands for the whole file."""
    kind: str
    """A stable name, such as `broken_json` or `exact_duplicate`."""
    message: str
    """What was found and what was expected."""
    severity: Literal["error", "warning"] = "error"
    """`error`: the row or file is not used; `warning`: it is used, or nothing was lost."""


class SourceReport(Part):
    """One file that was read."""

    file: str
    rows_read: int
    """Rows that the file holds (up to `data.max_rows`), readable or not; blank lines do not count."""
    rows_ok: int
    """Rows that became examples."""
    shape: str
    """Shape of the rows; empty when it could not be recognised."""
    shape_reason: str
    encoding: str
    sha256: str
    """Digest of the file's bytes."""


class DuplicateClusters(Part):
    """How many rows repeat each other."""

    exact: int
    """Sets of two or more equal rows among the rows read."""
    exact_rows: int
    """Rows in those sets."""
    near: int
    """Clusters of two or more alike rows, or rows of one group, among the cleaned rows; a split keeps them together."""
    near_rows: int
    """Rows in those clusters."""


class AnswerLengths(Part):
    """Lengths of the answers (or texts) of the rows used, in characters; percentiles by the nearest rank."""

    min: int
    median: int
    p95: int
    max: int


class DataReport(Record):
    """The check of a data set: what was read, what was found, how it was parted, and whether that is enough."""

    kind: Literal["data_report"] = "data_report"
    sources: list[SourceReport]
    rows_read: int
    rows_ok: int
    """Rows that could be read as examples."""
    rows_given_system: int = 0
    """Those of them that had no system turn and were given that of `data.system`."""
    rows_used: int
    """Rows left after cleaning: the sum of the parts."""
    findings: list[Finding]
    duplicate_clusters: DuplicateClusters
    splits: dict[str, int]
    """Rows in `train`, `validation` and `test`."""
    categories: dict[str, dict[str, int]]
    """Rows per category in each part; rows without one count under the empty name."""
    answer_chars: AnswerLengths | None
    """None when no row is left."""
    fingerprint: str
    """Digest of the row hashes of all rows used: the fingerprint that a data-set version of them has."""
    passed: bool
    reasons: list[str]
    """Why the check failed; empty when it passed."""
    checklist: list[ChecklistItem] = []
    """The questions before training; those that failed are the reasons."""
    cleaning: CleaningReport | None = None
    """None when no step of cleaning ran, or in a report of a version that had no such part; the same below."""
    privacy: PrivacyReport | None = None
    leaks: LeakReport | None = None
    augmentation: AugmentationReport | None = None
    statistics: DataStatistics | None = None


class DatasetVersion(Part):
    """An immutable set of rows in the store, named `name@vN` or `name@tag`."""

    name: str
    version: int
    tags: list[str]
    fingerprint: str
    """Digest of the sorted row hashes: the same rows have the same fingerprint in any store."""
    rows: int
    created: str
    """When it was committed: ISO 8601, UTC."""
    message: str


class DatasetPointer(Record):
    """What Git keeps of a data-set version: where the rows are, and the fingerprint that proves them."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: Literal["dataset_pointer"] = "dataset_pointer"
    name: str
    uri: str
    """Where the store has the data set, as the writer names it."""
    tag: str
    """The tag by which the version was asked for; empty for none."""
    version: int
    fingerprint: str
    rows: int
    columns: dict[str, str] = Field(alias="schema")
    """Type of each stored column."""
