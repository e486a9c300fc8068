"""Macro-F1: the mean of the labels' F1, so that a rare label weighs as much as a frequent one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kamerton.evaluation.metrics.accuracy import Accuracy
from kamerton.ground.errors import DataError
from kamerton.records.evaluation import ItemResult
from kamerton.stats import FloatArray, SumStatistic

__all__ = ["MacroF1"]

_MOST_LABELS = 1000
"""A pattern that finds more labels reads free text; the table of sums would not fit in memory either."""


class MacroF1(Accuracy):
    """F1 = 2 TP / (predicted + given) by label, averaged over the labels that the references have.

    Labels that only a model invents count as misses of the right label and not as labels of their own, so that all
    models are averaged over the same labels (scikit-learn averages over both kinds). An item's own value is 1
    where its label is right.
    """

    name = "macro_f1"
    binary = False

    def statistic(self, items: Sequence[ItemResult]) -> SumStatistic:
        """Sums by label: right, predicted, given."""
        labels = {label: index for index, label in enumerate(sorted({item.reference_label or "" for item in items}))}
        if len(labels) > _MOST_LABELS:
            raise DataError(
                f"the references have {len(labels)} different labels",
                where="evaluation.label",
                expected=f"a pattern whose first group finds at most {_MOST_LABELS} labels",
            )
        count = len(labels)
        sums = np.zeros((len(items), 3 * count))
        for row, item in enumerate(items):
            given = labels[item.reference_label or ""]
            predicted = labels.get(item.label or "")
            sums[row, 2 * count + given] = 1.0
            if predicted is not None:
                sums[row, count + predicted] = 1.0
                sums[row, predicted] = float(predicted == given)
        return SumStatistic(sums, _macro_f1)


def _macro_f1(sums: FloatArray) -> FloatArray:
    right, predicted, given = np.split(sums, 3, axis=1)
    # A resample may lack a label; it is averaged over the labels that it has.
    present = given > 0
    f1 = np.where(present, 2 * right / np.maximum(predicted + given, 1.0), 0.0)
    mean: FloatArray = f1.sum(axis=1) / present.sum(axis=1)
    return mean
