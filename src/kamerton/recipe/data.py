"""`data:` what the run learns from and how it is parted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from kamerton.recipe.augment import Augmentation
from kamerton.recipe.base import Section
from kamerton.recipe.clean import CleanSection
from kamerton.recipe.leaks import LeakSection
from kamerton.recipe.mix import BalanceSection, MixSection
from kamerton.recipe.privacy import PrivacySection
from kamerton.recipe.source import ColumnRole, ShapeName, Source
from kamerton.recipe.split import SplitSection

__all__ = ["CheckSection", "DataSection"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class CheckSection(Section):
    """Thresholds that fail the check (exit 1)."""

    max_bad_rows: Share = 0.0
    """Largest share of rows that could not be read; 0 tolerates none."""
    min_train_rows: Annotated[int, Field(ge=1)] = 20
    """Fewest rows in the training part."""
    min_validation_rows: Annotated[int, Field(ge=0)] = 0
    """Fewest rows in the validation part."""
    min_test_rows: Annotated[int, Field(ge=0)] = 20
    """Fewest rows in the test part."""
    max_truncated: Share = 0.05
    """Largest share of training rows longer than `training.max_length`."""
    max_masked: Share = 0.0
    """Largest share of training rows of which nothing is left to learn within `training.max_length`."""
    max_contaminated: Share = 0.0
    """Largest share of test items (or of a set in `data.leaks.against`) that stand in the training rows. Of a part that
    the split cut off only items count that are equal to a training row: rows of one source share phrases."""
    min_canary_recall: Share = 0.0
    """Least share of planted exact and near leaks that the detector must find."""
    max_label_noise: Share | None = None
    """Largest share of rows whose prompt stands elsewhere with another answer; None tolerates any."""
    max_private_rows: Share | None = None
    """Largest share of rows that hold personal data or secrets after `data.privacy` has done its work; None tolerates
    any."""
    min_category_rows: Annotated[int, Field(ge=0)] = 0
    """Fewest training rows of each category."""


class DataSection(Section):
    """What the run learns from."""

    train: Annotated[list[str | Source], Field(min_length=1)]
    """Files, folders, globs, URLs, hub ids, data-set versions `name@tag`, or a source with options of its own."""
    validation: list[str | Source] = []
    """Own validation files; empty takes `split.validation` of `train`."""
    test: list[str | Source] = []
    """Own test files; empty takes `split.test` of `train`."""
    shape: ShapeName = "auto"
    """Shape of the rows; `auto` recognises each file and says why."""
    columns: dict[ColumnRole, str] = {}
    """Which column plays which part, where its name does not say so: `{prompt: question_pl}`."""
    max_rows: Annotated[int, Field(ge=1)] | None = None
    """Only the first n rows of each source; None takes all."""
    system: Annotated[str, Field(min_length=1)] | None = None
    """System turn of conversations that have none; none of it is learned. None leaves them as they are."""
    clean: CleanSection = CleanSection()
    """What is looked for in each row, and what is done about it."""
    privacy: PrivacySection = PrivacySection()
    """Personal data and secrets in the rows."""
    split: SplitSection = SplitSection()
    """How rows are parted when no own validation or test files are given."""
    leaks: LeakSection = LeakSection()
    """What of the test and evaluation sets stands in the training rows."""
    augment: list[Augmentation] = []
    """More training rows, made from those that are there."""
    balance: BalanceSection = BalanceSection()
    """Make categories or tasks alike in number."""
    mix: MixSection = MixSection()
    """How often the rows of each set are seen."""
    check: CheckSection = CheckSection()
    """Thresholds that fail the check."""

    @model_validator(mode="after")
    def _folds_are_the_validation_part(self) -> DataSection:
        if self.validation and self.split.folds is not None:
            raise ValueError("data.split.folds makes the validation part: leave data.validation out, or folds")
        return self

    def sources(self, part: str = "train") -> list[Source]:
        """The sources of a part, each with the section's own options where it brings none."""
        return [
            Source(source=given, shape=self.shape, columns=self.columns, max_rows=self.max_rows)
            if isinstance(given, str)
            else given
            for given in getattr(self, part)
        ]
