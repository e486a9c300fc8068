"""Models with a head in place of the vocabulary: one that classifies prompts, and one that scores answers.

Both are run as transformers runs them, whose head reads the last token of a sequence that is no padding.
Legend: B batch, T tokens, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from kamerton.chat import Message
from kamerton.chat.generation import Generation, Score
from kamerton.ground.errors import DataError, RequestError
from kamerton.models.load import LoadedModel

__all__ = ["REWARD", "Classifier", "RewardModel", "has_reward_head"]

REWARD = "reward"
"""The one output of a reward model."""

_GRID = 64
"""Sequences are padded to a multiple of this many tokens, so that a score does not depend on its neighbours."""


def has_reward_head(loaded: LoadedModel) -> bool:
    """Whether the model scores answers."""
    return loaded.labels == (REWARD,)


class _Headed:
    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16) -> None:
        self.name = loaded.name
        self._loaded = loaded
        self._batch_size = batch_size

    @torch.inference_mode()
    def _outputs(self, sequences: Sequence[list[int]]) -> torch.Tensor:
        """The head's outputs (B, L) in fp32; what passes the context is cut."""
        context = self._loaded.context
        kept = [ids[:context] for ids in sequences]
        found = torch.zeros(len(kept), len(self._loaded.labels))
        widths = [-(-len(ids) // _GRID) * _GRID for ids in kept]
        for width in sorted(set(widths)):
            rows = [row for row, each in enumerate(widths) if each == width]
            for begin in range(0, len(rows), self._batch_size):
                chosen = rows[begin : begin + self._batch_size]
                found[chosen] = self._batch([kept[row] for row in chosen], width).float().cpu()
        return found

    def _batch(self, batch: list[list[int]], width: int) -> torch.Tensor:
        pad, device = self._loaded.pad_id, self._loaded.device
        ids_BT = torch.tensor([ids + [pad] * (width - len(ids)) for ids in batch], device=device)
        mask_BT = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in batch], device=device)
        logits: torch.Tensor = self._loaded.model(input_ids=ids_BT, attention_mask=mask_BT).logits
        return logits


class Classifier(_Headed):
    """Answers each prompt with the likeliest label."""

    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        """One label a prompt."""
        places = self._log_probs(prompts, tools).argmax(1).tolist()
        return [Generation(self._loaded.labels[place], 1, finished=True) for place in places]

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        """Likelihood of the label that stands as the last turn.

        Raises:
            DataError: the model has no such label.
        """
        wanted = [turns[-1]["content"].strip() for turns in conversations]
        unknown = sorted(set(wanted) - set(self._loaded.labels))
        if unknown:
            raise DataError(
                f"the model has no label {', '.join(repr(label[:40]) for label in unknown[:3])}",
                where=self.name,
                expected=f"one of: {', '.join(self._loaded.labels)}",
                mend="leave perplexity out of evaluation.metrics, or train on rows with every label",
            )
        found = self._log_probs([turns[:-1] for turns in conversations], tools)
        return [Score(-float(found[row, self._loaded.labels.index(label)]), 1) for row, label in enumerate(wanted)]

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """Refused: a text has no label.

        Raises:
            RequestError: always.
        """
        raise RequestError(
            "a model that classifies gives texts no likelihood",
            where=self.name,
            expected="conversations that end with a label",
        )

    def _log_probs(self, prompts: Sequence[list[Message]], tools: Sequence[str]) -> torch.Tensor:
        offered = tools or [""] * len(prompts)
        ids = [
            self._loaded.format.prompt_ids(prompt, tools=tool) for prompt, tool in zip(prompts, offered, strict=True)
        ]
        return torch.log_softmax(self._outputs(ids).double(), 1)


class RewardModel(_Headed):
    """Scores conversations by their last answer."""

    def rewards(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[float]:
        """The score of each; only differences between answers to one prompt mean anything."""
        offered = tools or [""] * len(conversations)
        rendered = [
            self._loaded.format.conversation(turns, tools=tool, last_only=True).ids
            for turns, tool in zip(conversations, offered, strict=True)
        ]
        found: list[float] = self._outputs(rendered)[:, 0].tolist()
        if not all(math.isfinite(value) for value in found):
            raise DataError("a score is not finite", where=self.name, expected="a model whose training did not diverge")
        return found
