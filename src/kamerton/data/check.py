"""Clean rows after reading, and put the whole check into one report.

A step is `(rows, options) -> (rows, findings)`: nothing is dropped silently.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kamerton.data.read import ReadResult
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult
from kamerton.ground.digests import set_digest
from kamerton.recipe.data import CheckSection, CleanSection
from kamerton.records.data import AnswerLengths, DataReport, DuplicateClusters, Finding

__all__ = ["CleanResult", "clean", "report"]

_BIG_CLUSTER = 0.1
"""Share of the rows from which one cluster is worth a warning: the split cannot part it."""

# C0 and C1 controls but tab, line feed, carriage return; and the marks that turn the direction of what follows.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class CleanResult:
    """The rows that are left, in their order, and a finding for each that is not."""

    rows: list[Row]
    findings: list[Finding]


def clean(rows: Sequence[Row], options: CleanSection) -> CleanResult:
    """Set aside rows with an empty prompt, an empty or short answer, and (if asked) repeated rows; look at the rest.

    An answer's length is counted in characters without the space around it. Of equal rows the first is kept.
    """
    kept: list[Row] = []
    findings: list[Finding] = []
    first: dict[str, Row] = {}
    for row in rows:
        fault = _fault(row, options)
        if fault is not None:
            findings.append(fault)
            continue
        original = first.setdefault(row.row_hash, row)
        if original is not row:
            drop = options.exact_duplicates == "drop"
            what = f"the same as {original.file}:{original.line}; {'set aside' if drop else 'kept'}"
            findings.append(_finding(row, "exact_duplicate", what, warning=True))
            if drop:
                continue
        findings.extend(_doubts(row))
        kept.append(row)
    return CleanResult(kept, findings)


def report(
    read: ReadResult, cleaned: CleanResult, clusters: Sequence[int], split: SplitResult, thresholds: CheckSection
) -> DataReport:
    """The report of a check.

    `clusters` has one id for each of the cleaned rows; `split` holds the rows that the run uses.
    """
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    used = [row for rows in parts.values() for row in rows]
    findings = sorted([*read.findings, *cleaned.findings], key=lambda finding: (finding.file, finding.line))
    findings.extend(_big_cluster(cleaned.rows, clusters))
    reasons = [*_reading_reasons(read, thresholds), *_size_reasons(split, thresholds)]
    return DataReport(
        sources=read.sources,
        rows_read=read.rows_read,
        rows_ok=read.rows_ok,
        rows_used=len(used),
        findings=findings,
        duplicate_clusters=_duplicates(read.rows, clusters),
        splits={name: len(rows) for name, rows in parts.items()},
        categories={name: dict(sorted(Counter(row.category for row in rows).items())) for name, rows in parts.items()},
        answer_chars=_lengths(used),
        fingerprint=set_digest(row.row_hash for row in used),
        passed=not reasons,
        reasons=reasons,
    )


def _fault(row: Row, options: CleanSection) -> Finding | None:
    """What keeps a row from being used."""
    if row.messages is not None and not row.prompt[-1]["content"].strip():
        return _finding(row, "empty_prompt", "the turn before the answer is empty; expected a question or a task")
    length = len(row.answer.strip())
    if length >= options.min_answer_chars:
        return None
    noun = "answer" if row.messages is not None else "text"
    if not length:
        return _finding(row, f"empty_{noun}", f"the {noun} is empty; expected at least one character")
    least = options.min_answer_chars
    return _finding(row, f"short_{noun}", f"the {noun} has {length} characters; data.clean.min_answer_chars is {least}")


def _doubts(row: Row) -> Iterator[Finding]:
    """What is worth a look in a row that is used."""
    if row.messages is not None and row.answer.strip() == row.prompt[-1]["content"].strip():
        yield _finding(row, "answer_is_prompt", "the answer repeats the turn before it", warning=True)
    for text in (row.text,) if row.text is not None else [message["content"] for message in row.messages or ()]:
        control = _CONTROL.search(text)
        if control is not None:
            what = f"a control character U+{ord(control[0]):04X} at character {control.start() + 1}"
            yield _finding(row, "control_character", what, warning=True)
            break
        if _REPLACEMENT in text:
            what = f"U+FFFD at character {text.index(_REPLACEMENT) + 1}: a letter was lost when the text was decoded"
            yield _finding(row, "replacement_character", what, warning=True)
            break


def _reading_reasons(read: ReadResult, thresholds: CheckSection) -> Iterator[str]:
    for source in read.sources:
        if not source.rows_ok:
            yield f"{source.file}: no row could be read"
    bad = read.rows_read - read.rows_ok
    if read.rows_read and bad / read.rows_read > thresholds.max_bad_rows:
        share = f"{bad} of {read.rows_read} rows ({bad / read.rows_read:.2%}) could not be read"
        yield f"{share}; data.check.max_bad_rows allows {thresholds.max_bad_rows:.2%}"


def _size_reasons(split: SplitResult, thresholds: CheckSection) -> Iterator[str]:
    for name, rows, least in (
        ("train", split.train, thresholds.min_train_rows),
        ("test", split.test, thresholds.min_test_rows),
    ):
        if len(rows) < least:
            yield f"the {name} part has {len(rows)} rows; data.check.min_{name}_rows is {least}"


def _big_cluster(rows: Sequence[Row], clusters: Sequence[int]) -> Iterator[Finding]:
    if not clusters:
        return
    cluster, size = Counter(clusters).most_common(1)[0]
    if size > max(1, _BIG_CLUSTER * len(clusters)):
        row = rows[list(clusters).index(cluster)]
        what = f"{size} of {len(clusters)} rows are alike, beginning here; they stay on one side of the split"
        yield _finding(row, "big_cluster", what, warning=True)


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


def _finding(row: Row, kind: str, message: str, *, warning: bool = False) -> Finding:
    return Finding(file=row.file, line=row.line, kind=kind, message=message, severity="warning" if warning else "error")
