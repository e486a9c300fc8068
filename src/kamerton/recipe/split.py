"""`data.split:` how rows are parted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kamerton.recipe.base import Section

__all__ = ["SplitSection"]

Portion = Annotated[float, Field(ge=0.0, lt=1.0)] | Annotated[int, Field(ge=1)]


class SplitSection(Section):
    """How rows are parted when no own validation or test files are given."""

    validation: Portion = 0.1
    """Share of rows (below 1) or number of rows that training is watched on."""
    test: Portion = 0.15
    """Share of rows (below 1) or number of rows that the verdict is measured on."""
    by: Literal["near_duplicates", "group", "time", "rows"] = "near_duplicates"
    """`near_duplicates` never parts a cluster of alike rows or a group; `group` never parts a group, but may put alike
    rows of two groups on two sides; `time` puts the newest clusters into the test part, then into the validation part;
    `rows` parts every row alone, alike ones too."""
    stratify: Literal["none", "category", "task"] = "none"
    """Give each part (or fold) the same share of each category or task; a cluster is what most of its rows are."""
    similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Jaccard similarity of word 3-grams from which two rows belong to one cluster."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Number of folds into which what the test part leaves is dealt, for a cross-validation; one of them is the
    validation part, whatever `validation` says. None makes one split."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which fold is the validation part, from 0; needs `folds`."""
    seed: int = 42
    """The side of a cluster is a function of this seed and the cluster."""

    @model_validator(mode="after")
    def _something_left(self) -> SplitSection:
        shares = [part for part in (self.validation, self.test) if isinstance(part, float)]
        if sum(shares) >= 1.0:
            raise ValueError("validation + test must leave something to train on")
        if self.by == "time" and self.stratify != "none":
            raise ValueError("stratify would give each category a time of its own: leave it out with by: time")
        if self.by == "time" and self.folds is not None:
            raise ValueError("folds would train on rows that are newer than those they are measured on (by: time)")
        if self.folds is None and self.fold:
            raise ValueError("fold has an effect with folds only")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold is counted from 0: the last of {self.folds} is {self.folds - 1}")
        return self
