"""A sample of rows that is a function of the rows alone, and numbers that are told from one with an interval."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kamerton.data.rows import Row
from kamerton.ground.rng import stream_seed
from kamerton.records.statistics import Sampled

if TYPE_CHECKING:
    from kamerton.stats import SumStatistic

__all__ = ["CONFIDENCE", "estimated", "hash_sample"]

CONFIDENCE = 0.95
_RESAMPLES = 1000


def hash_sample(rows: Sequence[Row], size: int) -> list[Row]:
    """At most `size` rows in an order that their hashes decide: neither their order nor their files matter.

    Each row has the same chance; a smaller sample is the beginning of a bigger one. Rows that are added to a set push
    others out one by one, so that the figures of a growing set are comparable.
    """
    return heapq.nsmallest(size, rows, key=lambda row: stream_seed("statistics", row.row_hash))


def estimated(statistic: SumStatistic, *, whole: bool) -> Sampled:
    """A statistic of sampled items, with its bootstrap interval.

    Args:
        whole: the items are all that there are, so that nothing is uncertain.
    """
    import numpy as np

    from kamerton.stats import estimate

    n = len(statistic.items)
    if whole:
        value = statistic.value
        return Sampled(value=value, low=value, high=value, n=n, confidence=CONFIDENCE, method="all rows")
    found = estimate(statistic, np.arange(n), resamples=_RESAMPLES, confidence=CONFIDENCE, seed=0)
    assert found is not None, "a sample has items"
    interval = found.interval
    return Sampled(
        value=found.value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=n,
        confidence=CONFIDENCE,
        method=interval.method if interval else "",
        why="" if interval else "too few items, or all alike: no interval",
    )
