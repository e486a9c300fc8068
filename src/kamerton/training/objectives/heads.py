"""What a head in place of the vocabulary gives out: the labels of rows, or a reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kamerton.data.labels import label_of_row
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.models.heads import REWARD
from kamerton.recipe import ClassificationObjective, Objective, RewardObjective

__all__ = ["head_labels"]


def head_labels(objective: Objective, rows: Sequence[Row]) -> tuple[str, ...]:
    """The outputs of the head that an objective trains, in their order; empty where it trains none.

    Args:
        rows: the training part; labels are those that it has, sorted.

    Raises:
        DataError: a row without a label, fewer than two labels, or more than the recipe allows.
    """
    if isinstance(objective, RewardObjective):
        return (REWARD,)
    if not isinstance(objective, ClassificationObjective):
        return ()
    counts = Counter(label_of_row(row, objective.label) for row in rows)
    if not 2 <= len(counts) <= objective.max_labels:
        some = ", ".join(repr(label[:40]) for label, _ in counts.most_common(3))
        raise DataError(
            f"the training part has {len(counts)} different labels, such as {some}",
            where=f"training.objective.label: {objective.label}",
            expected=f"2 to {objective.max_labels}",
            mend="set training.objective.label to where the labels stand, or raise training.objective.max_labels",
        )
    return tuple(sorted(counts))
