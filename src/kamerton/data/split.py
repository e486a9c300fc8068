"""Part rows into train, validation and test such that alike rows stay together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kamerton.data.rows import Row
from kamerton.ground.rng import draw
from kamerton.recipe.data import SplitSection

__all__ = ["SplitResult", "split"]


@dataclass(frozen=True)
class SplitResult:
    """The three parts, each in the order in which the rows came."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def split(rows: Sequence[Row], clusters: Sequence[int], options: SplitSection) -> SplitResult:
    """Part rows by cluster.

    The side of a cluster is a pure function of the seed and the cluster's smallest row hash: the order of the rows,
    the numbers of the clusters and the other clusters do not matter. A row that joins or leaves can therefore move
    its own cluster at most. With `by: rows` each distinct row is a cluster of its own.

    Shares are met on the average over clusters, not exactly.
    """
    if options.by == "rows":
        names: Sequence[str | int] = [row.row_hash for row in rows]
    else:
        names = clusters
    smallest: dict[str | int, str] = {}
    for name, row in zip(names, rows, strict=True):
        smallest[name] = min(smallest.get(name, row.row_hash), row.row_hash)
    sides = {name: _side(row_hash, options) for name, row_hash in smallest.items()}
    parts: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for name, row in zip(names, rows, strict=True):
        parts[sides[name]].append(row)
    return SplitResult(**parts)


def _side(row_hash: str, options: SplitSection) -> Literal["train", "validation", "test"]:
    number = draw("split", options.seed, row_hash)
    if number < options.test:
        return "test"
    return "validation" if number < options.test + options.validation else "train"
