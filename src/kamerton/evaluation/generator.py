"""How evaluation sees a model: in this process, served, remote or a fake, all alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message

__all__ = ["Generator", "Judge"]


class Generator(Protocol):
    """Anything that answers prompts and scores answers; results come in the order of the arguments.

    `evaluate` hands over all items in one call, so that the generator alone decides on batches and padding, and
    answers do not depend on how a caller cut the work. `tools` has what the assistant may call (`Row.tools`), one for
    each conversation; none at all says that no conversation has any.
    """

    name: str

    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        """Greedy answers of at most `max_new_tokens` tokens."""
        ...

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        """Likelihood of the last assistant turn of each conversation."""
        ...

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """Likelihood of each plain text."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Anything that scores answers and writes none, such as a reward model."""

    name: str

    def rewards(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[float]:
        """A number for the last assistant turn of each conversation: the higher, the better."""
        ...
