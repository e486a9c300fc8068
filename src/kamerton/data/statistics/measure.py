"""All numbers of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from kamerton.data.rows import Row
from kamerton.data.statistics.balance import Part, balances
from kamerton.data.statistics.checklist import CheckContext
from kamerton.data.statistics.diversity import lexical_diversity, semantic_diversity
from kamerton.data.statistics.noise import label_noise
from kamerton.data.statistics.sizes import characters, turns
from kamerton.data.statistics.tokens import token_statistics
from kamerton.records.data import Finding
from kamerton.records.statistics import DataStatistics, FindingCount

__all__ = ["measure"]


def measure(
    parts: Mapping[Part, Sequence[Row]],
    cleaned: Sequence[Row],
    clusters: Sequence[int],
    findings: Sequence[Finding],
    context: CheckContext,
) -> tuple[DataStatistics, list[Finding]]:
    """The numbers, and a finding for each training row that is cut, has nothing left to learn, or is refused.

    Args:
        parts: the rows that are used. Tokens are those of the training part, all else is of all parts together.
        cleaned: the rows that `clusters` has one id for.
        findings: of all steps before.
    """
    used = [row for rows in parts.values() for row in rows]
    tokens, added = token_statistics(parts["train"], context.tokens) if context.tokens else (None, [])
    statistics = DataStatistics(
        rows=len(used),
        kinds=dict(sorted(Counter(row.kind for row in used).items())),
        characters=characters(used),
        turns=turns(used),
        findings=_counted([*findings, *added]),
        tokens=tokens,
        lexical=lexical_diversity(used),
        semantic=semantic_diversity(used, context.embed, context.embedding_model),
        balance=balances(parts),
        noise=label_noise(cleaned, clusters, _private(findings)),
    )
    return statistics, added


def _counted(findings: Sequence[Finding]) -> dict[str, FindingCount]:
    errors = Counter(finding.kind for finding in findings if finding.severity == "error")
    every = Counter(finding.kind for finding in findings)
    return {
        kind: FindingCount(errors=errors[kind], warnings=count - errors[kind])
        for kind, count in sorted(every.items(), key=lambda pair: (-pair[1], pair[0]))
    }


def _private(findings: Sequence[Finding]) -> Collection[tuple[str, int]]:
    """Rows in which personal data was found: their text must not get into a report."""
    return {(finding.file, finding.line) for finding in findings if finding.kind.startswith("privacy_")}
