"""The whole check of a data set in one report: what was read and found, what it is like, and whether that is enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from kamerton.data.cleaning import CleanResult
from kamerton.data.reading import ReadResult
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult
from kamerton.data.statistics import CheckContext, checklist, measure
from kamerton.ground.digests import set_digest
from kamerton.recipe import CheckSection
from kamerton.records.data import AnswerLengths, DataReport, DuplicateClusters, Finding

__all__ = ["CheckContext", "report"]

_BIG_CLUSTER = 0.1
"""Share of the rows from which one cluster is worth a warning: the split cannot part it."""

_NOTHING = CheckContext()


def report(
    read: ReadResult,
    cleaned: CleanResult,
    clusters: Sequence[int],
    split: SplitResult,
    thresholds: CheckSection,
    context: CheckContext = _NOTHING,
) -> DataReport:
    """The report of a check.

    Args:
        read: all rows as they were read, with the findings of reading.
        cleaned: what is left of them; its findings may hold those of later steps (privacy, leaks) too.
        clusters: one id for each of the cleaned rows.
        split: the rows that the run uses.
        context: the reports of other steps, and what a recipe says about model and evaluation.
    """
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    used = [row for rows in parts.values() for row in rows]
    findings = [*read.findings, *cleaned.findings, *_big_cluster(cleaned.rows, clusters)]
    statistics, added = measure(
        {"train": split.train, "validation": split.validation, "test": split.test},
        cleaned.rows,
        clusters,
        findings,
        context,
    )
    found = DataReport(
        sources=read.sources,
        rows_read=read.rows_read,
        rows_ok=read.rows_ok,
        rows_given_system=read.given_system,
        rows_used=len(used),
        findings=sorted([*findings, *added], key=lambda finding: (finding.file, finding.line)),
        duplicate_clusters=_duplicates(read.rows, clusters),
        splits={name: len(rows) for name, rows in parts.items()},
        categories={name: dict(sorted(Counter(row.category for row in rows).items())) for name, rows in parts.items()},
        answer_chars=_lengths(used),
        fingerprint=set_digest(row.row_hash for row in used),
        passed=False,
        reasons=[],
        cleaning=cleaned.report if cleaned.report.steps else None,
        privacy=context.privacy,
        leaks=context.leaks,
        augmentation=context.augmentation,
        statistics=statistics,
    )
    answers = checklist(found, thresholds, context, _independent(split.test, cleaned.rows, clusters))
    reasons = [
        f"{item.text}; {item.setting}" if item.setting else item.text for item in answers if item.state == "failed"
    ]
    return found.model_copy(update={"checklist": answers, "reasons": reasons, "passed": not reasons})


def _independent(test: Sequence[Row], rows: Sequence[Row], clusters: Sequence[int]) -> int:
    """Clusters in the test part; a row of a file of its own stands for itself."""
    known = {row.row_hash: cluster for row, cluster in zip(rows, clusters, strict=True)} if test else {}
    return len({known.get(row.row_hash, row.row_hash) for row in test})


def _big_cluster(rows: Sequence[Row], clusters: Sequence[int]) -> Iterator[Finding]:
    if not clusters:
        return
    cluster, size = Counter(clusters).most_common(1)[0]
    if size > max(1, _BIG_CLUSTER * len(clusters)):
        row = rows[list(clusters).index(cluster)]
        what = f"{size} of {len(clusters)} rows are alike, beginning here; they stay on one side of the split"
        yield Finding(file=row.file, line=row.line, kind="big_cluster", message=what, severity="warning")


def _duplicates(read: Sequence[Row], clusters: Sequence[int]) -> DuplicateClusters:
    exact = [count for count in Counter(row.row_hash for row in read).values() if count > 1]
    near = [count for count in Counter(clusters).values() if count > 1]
    return DuplicateClusters(exact=len(exact), exact_rows=sum(exact), near=len(near), near_rows=sum(near))


def _lengths(rows: Sequence[Row]) -> AnswerLengths | None:
    lengths = sorted(len(row.answer) for row in rows)
    if not lengths:
        return None

    def rank(share: float) -> int:
        return lengths[math.ceil(share * len(lengths)) - 1]

    return AnswerLengths(min=lengths[0], median=rank(0.5), p95=rank(0.95), max=lengths[-1])
