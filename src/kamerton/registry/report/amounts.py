"""Measured values, differences and intervals in words; shares as percentages, perplexity as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kamerton.registry.report.blocks import Tone
from kamerton.registry.report.language import EM_DASH, Language

__all__ = ["difference", "difference_interval", "interval", "tone_of", "value"]


def value(language: Language, metric: str, amount: float | None) -> str:
    """A metric's value: perplexity with two decimals, all others as percentages."""
    return language.number(amount) if metric == "perplexity" else language.percent(amount)


def interval(language: Language, metric: str, low: float | None, high: float | None) -> str:
    """The ends of an interval; a dash where there is none."""
    if low is None or high is None:
        return EM_DASH
    if metric == "perplexity":
        return f"{language.number(low)}–{language.number(high)}"
    return f"{language.number(100 * low, 1)}–{language.percent(high)}"


def difference(language: Language, scale: str | None, amount: float | None, *, signed: bool = True) -> str:
    """Percentage points on the absolute scale, per cent on the relative one."""
    if amount is None:
        return EM_DASH
    if scale == "relative":
        return language.percent(amount, signed=signed)
    number = language.number(100 * amount, 1, signed=signed)
    return language.say("{number} pp", number=number)


def difference_interval(language: Language, scale: str | None, low: float | None, high: float | None) -> str:
    """The ends of a difference's interval; a dash where there is none."""
    if low is None or high is None:
        return EM_DASH
    ends = language.say(
        "[{low}, {high}]",
        low=language.number(100 * low, 1, signed=True),
        high=language.number(100 * high, 1, signed=True),
    )
    if scale == "relative":
        return language.say("{number}%", number=ends)
    return language.say("{number} pp", number=ends)


def tone_of(entry: Mapping[str, Any]) -> Tone:
    """Whether a comparison speaks for the candidate or against it."""
    tones: dict[str, Tone] = {"better": "good", "worse": "bad"}
    return tones.get(entry["verdict"], "quiet")
