"""A model in this process as a `Generator`: greedy answers and likelihoods, the same whatever the batch size.

On a CPU a forward pass does not depend on the batch size, but it does on the padded length: so all prompts of one call are
padded to one length, and scores are computed at lengths rounded up to a fixed grid.
Legend: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache

from kamerton.chat import Message, Tokens
from kamerton.chat.generation import Generation, Score
from kamerton.ground.errors import DataError
from kamerton.models.load import LoadedModel

__all__ = ["TransformersGenerator"]

_GRID = 64
"""Scores are computed at lengths rounded up to a multiple of this many tokens."""


class TransformersGenerator:
    """Generates and scores with a loaded model."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16, on_progress: Callable[[int], None] | None = None):
        """
        Args:
            on_progress: called with the number of items done after each batch.
        """
        self._loaded = loaded
        self._batch_size = batch_size
        self._on_progress = on_progress or (lambda done: None)
        self.name = loaded.name

    def fits(self, prompt: list[Message], max_new_tokens: int) -> bool:
        """Whether a prompt and its answer fit the model's context."""
        return len(self._loaded.format.prompt_ids(prompt)) + max_new_tokens <= self._loaded.context

    @torch.inference_mode()
    def generate(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[Generation]:
        """Greedy answers, in the order of the prompts.

        Raises:
            DataError: a prompt leaves no room for an answer in the model's context.
        """
        encoded = [self._loaded.format.prompt_ids(prompt) for prompt in prompts]
        room = self._loaded.context - max_new_tokens
        for index, ids in enumerate(encoded):
            if len(ids) > room:
                raise DataError(
                    f"the prompt has {len(ids)} tokens; with an answer of {max_new_tokens} it passes the context of "
                    f"{self._loaded.context}",
                    where=f"prompt {index + 1}",
                    mend="lower evaluation.max_new_tokens, or leave the item out",
                )
        length = max((len(ids) for ids in encoded), default=0)
        answers: list[Generation] = []
        for begin in range(0, len(encoded), self._batch_size):
            answers += self._generate_batch(encoded[begin : begin + self._batch_size], length, max_new_tokens)
            self._on_progress(len(answers))
        return answers

    def complete(self, text: str, max_new_tokens: int) -> Generation:
        """Greedy continuation of a plain text (its begin token first, where the model has one)."""
        tokens = self._loaded.format.text(text)
        return self._generate_batch([tokens.ids[:-1]], len(tokens.ids) - 1, max_new_tokens)[0]

    def _generate_batch(self, batch: list[list[int]], length: int, max_new_tokens: int) -> list[Generation]:
        """Left-padded greedy decoding with a key-value cache; finished rows go on with padding."""
        device, pad = self._loaded.device, int(self._loaded.tokenizer.pad_token_id)
        ends = self._end_ids()
        ids_BT = torch.tensor([[pad] * (length - len(ids)) + ids for ids in batch], device=device)
        mask_BT = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in batch], device=device)
        positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self._loaded.model.config)
        done_B = torch.zeros(len(batch), dtype=torch.bool, device=device)
        out: list[list[int]] = [[] for _ in batch]
        for _ in range(max_new_tokens):
            logits_BV = self._loaded.model(
                input_ids=ids_BT,
                attention_mask=mask_BT,
                position_ids=positions_BT,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            next_B = logits_BV.argmax(-1).masked_fill(done_B, pad)
            for row, token in enumerate(next_B.tolist()):
                if not done_B[row]:
                    out[row].append(token)
            done_B = done_B | torch.isin(next_B, ends)
            if bool(done_B.all()):
                break
            ids_BT = next_B[:, None]
            mask_BT = torch.cat([mask_BT, torch.ones_like(ids_BT)], dim=1)
            positions_BT = positions_BT[:, -1:] + 1
        return [self._answer(tokens, set(ends.tolist())) for tokens in out]

    def _answer(self, tokens: list[int], ends: set[int]) -> Generation:
        finished = bool(tokens) and tokens[-1] in ends
        text = self._loaded.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
        return Generation(text, len(tokens), finished)

    def _end_ids(self) -> torch.Tensor:
        ids = {self._loaded.format.end_id, int(self._loaded.tokenizer.eos_token_id)}
        return torch.tensor(sorted(ids), device=self._loaded.device)

    def score(self, conversations: Sequence[list[Message]]) -> list[Score]:
        """The likelihood of each conversation's last answer, its end-of-turn token included."""
        return self._score(
            [self._loaded.format.conversation(messages, last_only=True) for messages in conversations]
        )

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """The likelihood of each text."""
        return self._score([self._loaded.format.text(text) for text in texts])

    @torch.inference_mode()
    def _score(self, examples: list[Tokens]) -> list[Score]:
        examples = [example.first(self._loaded.context) for example in examples]
        scores: list[Score | None] = [None] * len(examples)
        grid = [-(-len(example.ids) // _GRID) * _GRID for example in examples]
        order = sorted(range(len(examples)), key=lambda index: (grid[index], index))
        for begin in range(0, len(order), self._batch_size):
            batch = order[begin : begin + self._batch_size]
            # One padded length a batch would make a score depend on its neighbours: part the batch by grid length.
            for length in sorted({grid[index] for index in batch}):
                rows = [index for index in batch if grid[index] == length]
                for index, score in zip(rows, self._score_batch([examples[i] for i in rows], length), strict=True):
                    scores[index] = score
            self._on_progress(begin + len(batch))
        return [score for score in scores if score is not None]

    def _score_batch(self, batch: list[Tokens], length: int) -> list[Score]:
        pad, device = int(self._loaded.tokenizer.pad_token_id), self._loaded.device
        ids_BT = torch.tensor([tokens.ids + [pad] * (length - len(tokens.ids)) for tokens in batch], device=device)
        labels_BT = torch.tensor(
            [tokens.labels() + [-100] * (length - len(tokens.ids)) for tokens in batch], device=device
        )
        mask_BT = torch.tensor(
            [[1] * len(tokens.ids) + [0] * (length - len(tokens.ids)) for tokens in batch], device=device
        )
        logits_BTV = self._loaded.model(input_ids=ids_BT, attention_mask=mask_BT).logits
        scores = []
        for logits_TV, labels_T in zip(logits_BTV[:, :-1], labels_BT[:, 1:], strict=True):
            kept_T = labels_T != -100
            nll = torch.nn.functional.cross_entropy(logits_TV[kept_T].double(), labels_T[kept_T], reduction="sum")
            scores.append(Score(float(nll), int(kept_T.sum())))
        return scores
