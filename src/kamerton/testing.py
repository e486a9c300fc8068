"""Fakes that ship: for tests, documentation and the authors of plugins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message

__all__ = ["EchoGenerator", "write_tiny_base"]

_SENTENCES = (
    "Dzień dobry, proszę o wydanie odpisu aktu urodzenia mojej córki.",
    "Kiedy odbierają odpady wielkogabarytowe z ulicy Ogrodowej?",
    "Lampa przy przystanku nie świeci od tygodnia, a chodnik jest nierówny.",
    "Sprawa została przekazana do wydziału; odpowiedź otrzyma Pani w terminie 30 dni.",
    "Wniosek można złożyć w urzędzie albo przez internet, opłata wynosi 17 zł.",
    "The office is open from eight to four, and the application is free of charge.",
    "Please send the form to the department of roads; the answer comes within a month.",
    "My neighbour wants to cut down a tree: does he need a permit for it?",
)


def _last_user_turn(prompt: list[Message]) -> str:
    return next((message["content"] for message in reversed(prompt) if message["role"] == "user"), "")


class EchoGenerator:
    """A model without weights: it answers with the last user turn, or by a function; a token is a word."""

    def __init__(
        self,
        answer: Callable[[list[Message]], str] = _last_user_turn,
        *,
        name: str = "echo",
        nats_per_token: Callable[[str], float] = lambda text: 1.0,
    ) -> None:
        """
        Args:
            answer: gives the answer to a prompt.
            nats_per_token: gives the mean negative log-likelihood of an answer or a text.
        """
        self.name = name
        self._answer = answer
        self._nats_per_token = nats_per_token

    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        """The answers, cut after `max_new_tokens` words."""
        return [self._cut(self._answer(list(prompt)), max_new_tokens) for prompt in prompts]

    def _cut(self, text: str, max_new_tokens: int) -> Generation:
        words = text.split()
        if len(words) < max_new_tokens:
            # The end of the turn is one more token, as with a real model.
            return Generation(text, len(words) + 1, True)
        return Generation(" ".join(words[:max_new_tokens]), max_new_tokens, False)

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        """The likelihood of each last turn."""
        return self.score_texts([conversation[-1]["content"] for conversation in conversations])

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """The likelihood of each text."""
        return [Score(len(text.split()) * self._nats_per_token(text), len(text.split())) for text in texts]


def write_tiny_base(folder: Path, *, seed: int = 0) -> Path:
    """A base model for tests: a Llama of 2 layers and width 32 with random weights, and a tokenizer of its own.

    It knows nothing and takes a second to write. The tokenizer has 400 byte-level tokens and a ChatML template; the
    context is 512 tokens. The same seed gives the same bytes.

    Returns:
        The folder, which `model.base` of a recipe may name.
    """
    import torch

    from kamerton.models.methods import save_finished
    from kamerton.models.scratch import create
    from kamerton.recipe import Architecture, FullMethod

    shape = Architecture(hidden_size=32, layers=2, heads=2, feed_forward=64, vocabulary=400, context=512)
    loaded = create("tiny-base", shape, _SENTENCES * 2, seed=seed, device=torch.device("cpu"))
    save_finished(loaded, FullMethod(kind="full"), folder)
    return folder
