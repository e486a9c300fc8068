"""The base model with a few-shot prompt: just another model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.evaluation.generator import Generator
from kamerton.ground.errors import DataError
from kamerton.ground.rng import shuffled

__all__ = ["FewShotGenerator", "choose_examples", "few_shot_prompt"]


def choose_examples(rows: Sequence[Row], shots: int, seed: int) -> list[Row]:
    """The examples of a few-shot prompt, from the training part: the same for every item.

    A function of the seed and of the rows' contents, whatever their order; equal rows count once, and no category
    gets a second example before each has one.

    Raises:
        DataError: there are fewer conversations than `shots`.
    """
    distinct = {row.row_hash: row for row in rows if row.kind == "conversation" and len(row.messages or ()) > 1}
    if len(distinct) < shots:
        raise DataError(
            f"{shots} examples are asked for, and the training part has {len(distinct)} different conversations",
            where="evaluation.shots",
            expected=f"at most {len(distinct)}",
            mend=f"set evaluation.shots={len(distinct)}" if distinct else "drop few_shot from evaluation.baselines",
        )
    hashes = list(distinct)
    taken: dict[str, int] = {}
    ranked: list[tuple[int, int, Row]] = []
    for rank, index in enumerate(shuffled(hashes, "few_shot", seed)):
        row = distinct[hashes[index]]
        turn = taken[row.category] = taken.get(row.category, 0) + 1
        ranked.append((turn, rank, row))
    return [row for _, _, row in sorted(ranked, key=lambda entry: entry[:2])[:shots]]


def few_shot_prompt(examples: Sequence[Row], conversation: Sequence[Message]) -> list[Message]:
    """A conversation with examples before it; its system turn stays first, those of the examples are left out."""
    opening = [message for message in conversation[:1] if message["role"] == "system"]
    shown = [message for row in examples for message in row.messages or () if message["role"] != "system"]
    return [*opening, *shown, *conversation[len(opening) :]]


class FewShotGenerator:
    """A generator whose prompts begin with examples."""

    def __init__(
        self,
        generator: Generator,
        examples: Sequence[Row],
        *,
        fits: Callable[[list[Message], str], bool] = lambda prompt, tools: True,
        name: str = "few_shot",
    ) -> None:
        """
        Args:
            fits: whether a prompt with its tools leaves room for an answer; examples are dropped from the front until
                it does. Where an answer is scored it is asked about the whole conversation, so that no answer is cut.
        """
        self.name = name
        self._generator = generator
        self._examples = list(examples)
        self._fits = fits
        self._fewest = len(self._examples)

    @property
    def shots_used(self) -> int:
        """Fewest examples in any prompt so far."""
        return self._fewest

    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        """Answers to the prompts with examples before them."""
        return self._generator.generate(self._dressed(prompts, tools), max_new_tokens, tools=tools)

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        """Likelihood of the last turns, with examples before the conversations."""
        return self._generator.score(self._dressed(conversations, tools), tools=tools)

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """Likelihood of plain texts, which no example can precede: that of the generator itself."""
        return self._generator.score_texts(texts)

    def _dressed(self, conversations: Sequence[list[Message]], tools: Sequence[str]) -> list[list[Message]]:
        offered = tools or [""] * len(conversations)
        return [self._with_examples(*pair) for pair in zip(conversations, offered, strict=True)]

    def _with_examples(self, conversation: list[Message], tools: str) -> list[Message]:
        for first in range(len(self._examples) + 1):
            prompt = few_shot_prompt(self._examples[first:], conversation)
            if self._fits(prompt, tools):
                break
        # Without room for a single example the prompt goes on bare; the generator says if even that is too long.
        self._fewest = min(self._fewest, len(self._examples) - first)
        return prompt
