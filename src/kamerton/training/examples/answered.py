"""A prompt with one or more of its answers as tokens, cut so that the answers stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kamerton.chat import ChatFormat, Message
from kamerton.training.examples.example import TokenSequence

__all__ = ["Answered", "answered", "joined"]


@dataclass(frozen=True)
class Answered:
    """One sequence an answer, each after the same prompt; answers are learned, the prompt is not."""

    sequences: tuple[TokenSequence, ...]
    cut: bool
    """Whether anything did not fit."""

    @property
    def teaches(self) -> bool:
        """Whether each sequence has a token to learn, and no two are the same."""
        different = len({sequence.ids.tobytes() for sequence in self.sequences}) == len(self.sequences)
        return different and all(sequence.trained for sequence in self.sequences)


def answered(
    chat: ChatFormat, prompt: list[Message], answers: Sequence[Message], tools: str, max_length: int
) -> Answered:
    """A prompt with its answers, each sequence of at most `max_length` tokens.

    What does not fit is cut from the beginning of the prompt, as long as the prompt keeps half of the length, and then
    from the end of the answers: an answer of up to half of the length is always whole.
    """
    rendered = [chat.conversation([*prompt, answer], tools=tools, last_only=True) for answer in answers]
    return joined([TokenSequence.of(tokens.ids, tokens.labels()) for tokens in rendered], max_length)


def joined(sequences: Sequence[TokenSequence], max_length: int) -> Answered:
    """Sequences of one prompt cut to a length, all at the same place of the prompt."""
    begin = min(sequence.first_learned for sequence in sequences)
    answers = max(sequence.length - sequence.first_learned for sequence in sequences)
    kept = min(begin, max(max_length - answers, max_length // 2))
    spans = [(sequence.first_learned - kept, sequence.first_learned - kept + max_length) for sequence in sequences]
    return Answered(
        tuple(sequence.part(first, end) for sequence, (first, end) in zip(sequences, spans, strict=True)),
        cut=kept < begin or kept + answers > max_length,
    )
