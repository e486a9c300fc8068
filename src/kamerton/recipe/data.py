"""`data:` what the run learns from and how it is parted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kamerton.recipe.base import Section

__all__ = ["CheckSection", "CleanSection", "DataSection", "SplitSection"]

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class CleanSection(Section):
    """Rows that are set aside before the split; each is named in the report."""

    min_answer_chars: Annotated[int, Field(ge=0)] = 1
    """Shortest answer (or text), in characters without surrounding space; shorter rows are set aside."""
    exact_duplicates: Literal["drop", "keep"] = "drop"
    """`drop` keeps the first of each set of equal rows."""


class SplitSection(Section):
    """How rows are parted when no own validation or test files are given."""

    validation: Share = 0.1
    """Share of rows that training is watched on."""
    test: Share = 0.15
    """Share of rows that the verdict is measured on."""
    by: Literal["near_duplicates", "rows"] = "near_duplicates"
    """`near_duplicates` never parts a cluster of alike rows; `rows` parts every row alone."""
    similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Jaccard similarity of word 3-grams from which two rows belong to one cluster."""
    seed: int = 42
    """The side of a cluster is a function of this seed and the cluster."""

    @model_validator(mode="after")
    def _something_left(self) -> SplitSection:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must leave something to train on")
        return self


class CheckSection(Section):
    """Thresholds that fail the check (exit 1)."""

    max_bad_rows: Share = 0.0
    """Largest share of rows that could not be read; 0 tolerates none."""
    min_train_rows: Annotated[int, Field(ge=1)] = 20
    """Fewest rows in the training part."""
    min_test_rows: Annotated[int, Field(ge=0)] = 20
    """Fewest rows in the test part."""
    max_truncated: Share = 0.05
    """Largest share of training rows longer than `training.max_length`."""


class DataSection(Section):
    """What the run learns from."""

    train: Annotated[list[str], Field(min_length=1)]
    """Files, globs, or data-set versions `name@tag`."""
    validation: list[str] = []
    """Own validation files; empty takes `split.validation` of `train`."""
    test: list[str] = []
    """Own test files; empty takes `split.test` of `train`."""
    shape: Literal["auto", "alpaca", "prompt_completion", "sharegpt", "messages", "text"] = "auto"
    """Shape of the rows; `auto` recognises each file and says why."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Only the first n rows of each source; None takes all."""
    clean: CleanSection = CleanSection()
    """Which rows are set aside before the split."""
    split: SplitSection = SplitSection()
    """How rows are parted when no own validation or test files are given."""
    check: CheckSection = CheckSection()
    """Thresholds that fail the check."""
