"""How rows are shared out over categories and tasks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from kamerton.data.rows import Row
from kamerton.records.statistics import Balance

__all__ = ["balances"]

Part = Literal["train", "validation", "test"]


def balances(parts: Mapping[Part, Sequence[Row]]) -> list[Balance]:
    """One for each part with rows, by category and by task; none by what no row of the set has."""
    found = []
    for by in ("category", "task"):
        counts = {part: Counter(getattr(row, by) for row in rows) for part, rows in parts.items() if rows}
        if any(name for names in counts.values() for name in names):
            found += [_balance(by, part, names) for part, names in counts.items()]
    return found


def _balance(by: Literal["category", "task"], part: Part, counts: Counter[str]) -> Balance:
    rows = counts.total()
    entropy = -sum(count / rows * math.log2(count / rows) for count in counts.values())
    entropy = max(entropy, 0.0)
    return Balance(
        by=by,
        part=part,
        counts=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        entropy=entropy,
        effective=2.0**entropy,
        evenness=entropy / math.log2(len(counts)) if len(counts) > 1 else None,
    )
