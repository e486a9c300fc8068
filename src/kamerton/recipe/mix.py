"""`data.mix:` how often each row is seen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kamerton.recipe.base import Section

__all__ = ["BalanceSection", "MixSection", "Replay"]


class Replay(Section):
    """Rows of an earlier training, seen again so that they are not forgotten."""

    source: str
    """A data-set version `name@tag`, or files."""
    ratio: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of what an epoch sees that comes from here."""


class MixSection(Section):
    """Rows seen in an epoch: each as often as its weight says, on the average."""

    temperature: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    """Sets are seen in proportion to their size to the power of 1 / temperature: 1 keeps the sizes, a large one makes
    all sets equal. A set with a weight of its own is left alone; the others together are seen as often as without."""
    replay: list[Replay] = []
    """Earlier sets to see again, on top of what the epoch holds anyway."""

    @model_validator(mode="after")
    def _replay_is_a_part(self) -> MixSection:
        if sum(replay.ratio for replay in self.replay) >= 1.0:
            raise ValueError("the ratios of replay must leave something of the epoch to the training rows")
        sources = [replay.source for replay in self.replay]
        if len(set(sources)) < len(sources):
            raise ValueError("replay names a source twice: give it once, with the sum of the ratios")
        return self


class BalanceSection(Section):
    """Make the categories (or tasks) of the training part alike in number."""

    by: Literal["none", "category", "task"] = "none"
    """What is balanced; `none` leaves the numbers as they are. Rows without a category (or task) are left alone."""
    to: Literal["largest", "smallest", "median"] | Annotated[int, Field(ge=1)] = "largest"
    """Rows of each after balancing, as seen in an epoch."""
    method: Literal["weight", "sample"] = "weight"
    """`weight` shows rows more or less often and keeps them all; `sample` takes rows of large categories out, and
    leaves small ones as they are."""

    @model_validator(mode="after")
    def _has_an_effect(self) -> BalanceSection:
        if self.by == "none" and (self.to != "largest" or self.method != "weight"):
            raise ValueError("balance.to and balance.method have an effect with balance.by: category or task only")
        if self.method == "sample" and self.to == "largest":
            raise ValueError("method: sample takes rows out: give to: smallest, median or a number")
        return self
