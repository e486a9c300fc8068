"""How long rows are: percentiles and histograms."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from kamerton.data.rows import Row
from kamerton.records.statistics import Bin, Distribution

__all__ = ["characters", "distribution", "turns"]

_BARS = 16
"""Most bars of a histogram: as many as a terminal of 80 columns shows line by line."""

_STEPS = ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0,))
"""Edges in each power of ten, the finest first: nearly even on a logarithmic scale, as lengths of texts are."""


def characters(rows: Sequence[Row]) -> dict[str, Distribution]:
    """Characters of `prompt` (all turns before the answer), `answer` and `row`; a part that no row has is left out."""
    prompts: list[int] = []
    answers: list[int] = []
    wholes: list[int] = []
    for row in rows:
        answer = len(row.answer)
        whole = sum(map(len, row.texts))
        answers.append(answer)
        wholes.append(whole)
        if row.text is None:
            prompts.append(sum(len(message["content"]) for message in row.prompt))
    found = {"prompt": distribution(prompts), "answer": distribution(answers), "row": distribution(wholes)}
    return {name: lengths for name, lengths in found.items() if lengths is not None}


def turns(rows: Sequence[Row]) -> Distribution | None:
    """Turns of the conversations; None when there is none."""
    return distribution([len(row.messages) for row in rows if row.messages is not None])


def distribution(values: Sequence[int]) -> Distribution | None:
    """Percentiles by the nearest rank, and bars with round edges; None without values. Values are not negative."""
    if not values:
        return None
    ordered = sorted(values)

    def rank(share: float) -> int:
        return ordered[math.ceil(share * len(ordered)) - 1]

    return Distribution(
        n=len(ordered),
        min=ordered[0],
        p5=rank(0.05),
        median=rank(0.5),
        mean=sum(ordered) / len(ordered),
        p95=rank(0.95),
        max=ordered[-1],
        bins=_bins(ordered),
    )


def _bins(ordered: Sequence[int]) -> list[Bin]:
    """Bars that cover all values; a bar of one number each where they are few."""
    low, high = ordered[0], ordered[-1]
    if high - low < _BARS:
        counts = Counter(ordered)
        return [Bin(low=value, high=value + 1, count=counts[value]) for value in range(low, high + 1)]
    edges = _edges(low, high)
    places = [bisect_left(ordered, edge) for edge in edges]
    return [
        Bin(low=first, high=last, count=end - start)
        for (first, last), (start, end) in zip(pairwise(edges), pairwise(places), strict=True)
    ]


def _edges(low: int, high: int) -> list[int]:
    """Round edges from at or below `low` to above `high`: the finest that make no more than `_BARS` bars."""
    found: list[int] = []
    for steps in _STEPS:
        every = list(_round_numbers(high, steps))
        found = every[max(index for index, edge in enumerate(every) if edge <= low) :]
        if len(found) <= _BARS + 1:
            break
    return found


def _round_numbers(high: int, steps: Sequence[float]) -> Iterator[int]:
    """0, 1, 2, 3, 5, 7, 10, 15, ... up to the first above `high`."""
    last = -1
    for number in chain((0.0,), (step * 10**power for power in range(1000) for step in steps)):
        if (whole := int(number)) == last:
            continue
        yield (last := whole)
        if last > high:
            return
