"""What a reward is: a number for an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kamerton.chat import Message
from kamerton.data.rows import Row

__all__ = ["Judged", "Reward"]


@dataclass(frozen=True)
class Judged:
    """An answer that the model gave."""

    prompt: list[Message]
    answer: str
    tokens: int
    """Of the answer, its end-of-turn token included."""
    row: Row
    """The row that the prompt is from; its last turn is the reference."""

    @property
    def reference(self) -> str:
        return self.row.answer


Reward = Callable[[Judged], float]
"""Higher is better."""
