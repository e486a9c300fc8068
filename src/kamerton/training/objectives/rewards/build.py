"""From a reward's name in the recipe to its function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from kamerton.ground.errors import DataError
from kamerton.ground.functions import load_function, own_faults
from kamerton.recipe.objective import SHIPPED_REWARDS
from kamerton.training.objectives.rewards.base import Judged, Reward
from kamerton.training.objectives.rewards.exact_match import exact_match
from kamerton.training.objectives.rewards.form import form
from kamerton.training.objectives.rewards.length import length
from kamerton.training.objectives.rewards.regex import regex

__all__ = ["build_reward", "reward_names"]

_WHERE = "training.objective.rewards"


def build_reward(name: str) -> Reward:
    """The function behind a name of `training.objective.rewards`; what it returns is checked.

    Raises:
        RecipeError: a function of the user's own cannot be loaded.
    """
    kind, _, setting = name.partition(":")
    match kind:
        case "exact_match":
            return exact_match
        case "form":
            return form(setting)
        case "regex":
            return regex(setting)
        case "length":
            return length(int(setting))
    return _own(name)


def reward_names(names: Sequence[str]) -> list[str]:
    """Short names for metrics: the kind of a reward, or the name of a function, with a number where there are several.

    A pattern has characters that trackers refuse in the name of a metric.
    """
    short = [kind if kind in SHIPPED_REWARDS else rest for kind, _, rest in (name.partition(":") for name in names)]
    return [
        f"{name}_{short[: place + 1].count(name)}" if short.count(name) > 1 else name
        for place, name in enumerate(short)
    ]


def _own(name: str) -> Reward:
    """A function of the user's own: given the prompt's turns, the answer, and what the row says."""
    function = load_function(name, _WHERE)

    def reward(judged: Judged) -> float:
        row = judged.row
        where = f"{row.file}:{row.line}" if row.file else f"row {row.row_hash[:12]}"
        with own_faults(f"the reward {name}", name, where):
            found = function(judged.prompt, judged.answer, row.content)
        return _finite(found, name, judged.answer, where)

    return reward


def _finite(found: Any, name: str, answer: str, where: str) -> float:
    if not isinstance(found, Real) or not math.isfinite(found):
        raise DataError(
            f"the reward {name} gave {found!r} for the answer {answer[:60]!r}",
            where=where,
            expected="a finite number",
            mend=f"mend the function, or leave it out of {_WHERE}",
        )
    return float(found)
