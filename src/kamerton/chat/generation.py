"""What a model gives back: an answer, or the likelihood of one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Generation", "Score"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One generated answer."""

    text: str
    tokens: int
    """Generated tokens, the end-of-turn token included."""
    finished: bool
    """Whether the model ended its turn; False means the answer was cut at the limit."""


@dataclass(frozen=True, slots=True)
class Score:
    """The likelihood of one given answer or text."""

    nll: float
    """Summed negative log-likelihood of the trained tokens, in nats."""
    tokens: int
