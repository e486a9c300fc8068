"""A model in this process as a `Generator`: greedy answers and likelihoods, the same whatever the batch size.

On a CPU a forward pass does not depend on the batch size, but it does on the padded length: so all prompts of one call
are padded to one length, and scores are computed at lengths rounded up to a fixed grid.
Legend: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache

from kamerton.chat import ChatFormat, Message, Tokens
from kamerton.chat.generation import Generation, Score
from kamerton.ground.errors import DataError, RequestError
from kamerton.models.load import LoadedModel

__all__ = ["TransformersGenerator", "answer_of", "end_ids"]

_GRID = 64
"""Scores are computed at lengths rounded up to a multiple of this many tokens."""


class TransformersGenerator:
    """Generates and scores with a loaded model."""

    def __init__(self, loaded: LoadedModel, *, batch_size: int = 16, on_progress: Callable[[int], None] | None = None):
        """
        Args:
            on_progress: called with the number of items done after each batch.
        """
        self.loaded = loaded
        self._batch_size = batch_size
        self._on_progress = on_progress or (lambda done: None)
        self.name = loaded.name

    def fits(self, prompt: list[Message], max_new_tokens: int, *, tools: str = "") -> bool:
        """Whether a prompt and its answer fit the model's context."""
        return len(self.loaded.format.prompt_ids(prompt, tools=tools)) + max_new_tokens <= self.loaded.context

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[list[Message]], max_new_tokens: int, *, tools: Sequence[str] = ()
    ) -> list[Generation]:
        """Greedy answers, in the order of the prompts.

        Args:
            tools: what the assistant may call, one for each prompt; none where no prompt has any.

        Raises:
            DataError: a prompt leaves no room for an answer in the model's context.
        """
        chat = self.loaded.format
        offered = tools or [""] * len(prompts)
        encoded = [chat.prompt_ids(prompt, tools=tool) for prompt, tool in zip(prompts, offered, strict=True)]
        for index, ids in enumerate(encoded):
            self._check_room(ids, max_new_tokens, f"prompt {index + 1}")
        length = max((len(ids) for ids in encoded), default=0)
        answers: list[Generation] = []
        for begin in range(0, len(encoded), self._batch_size):
            answers += self._generate_batch(encoded[begin : begin + self._batch_size], length, max_new_tokens)
            self._on_progress(len(answers))
        return answers

    def complete(self, text: str, max_new_tokens: int) -> Generation:
        """Greedy continuation of a plain text (its begin token first, where the model has one).

        Raises:
            DataError: the text is empty for a model without a begin token, or leaves no room in the model's context.
        """
        ids = self.loaded.format.text(text).ids[:-1]
        self._check_room(ids, max_new_tokens, "text")
        return self._generate_batch([ids], len(ids), max_new_tokens)[0]

    def _check_room(self, ids: list[int], max_new_tokens: int, where: str) -> None:
        if not ids:
            raise DataError("there is nothing to go on from", where=where, expected="a text that is not empty")
        if len(ids) + max_new_tokens > self.loaded.context:
            raise DataError(
                f"the prompt has {len(ids)} tokens; with an answer of {max_new_tokens} it passes the context of "
                f"{self.loaded.context}",
                where=where,
                mend="allow fewer new tokens (evaluation.max_new_tokens), or leave the item out",
            )

    def _generate_batch(self, batch: list[list[int]], length: int, max_new_tokens: int) -> list[Generation]:
        """Left-padded greedy decoding with a key-value cache; finished rows go on with padding."""
        device, pad = self.loaded.device, self.loaded.pad_id
        ends = torch.tensor(end_ids(self.loaded), device=device)
        ids_BT = torch.tensor([[pad] * (length - len(ids)) + ids for ids in batch], device=device)
        mask_BT = torch.tensor([[0] * (length - len(ids)) + [1] * len(ids) for ids in batch], device=device)
        positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.loaded.model.config)
        done_B = torch.zeros(len(batch), dtype=torch.bool, device=device)
        out: list[list[int]] = [[] for _ in batch]
        for _ in range(max_new_tokens):
            logits_BV = self.loaded.model(
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
        return [answer_of(self.loaded, tokens, ends.tolist()) for tokens in out]

    def score(self, conversations: Sequence[list[Message]], *, tools: Sequence[str] = ()) -> list[Score]:
        """The likelihood of each conversation's last answer, its end-of-turn token included.

        Raises:
            DataError: a conversation is longer than the model's context.
        """
        offered = tools or [""] * len(conversations)
        examples = [
            self.loaded.format.conversation(messages, tools=tool, last_only=True)
            for messages, tool in zip(conversations, offered, strict=True)
        ]
        for index, example in enumerate(examples):
            if len(example.ids) > self.loaded.context:
                raise DataError(
                    f"the conversation has {len(example.ids)} tokens; the model's context is {self.loaded.context}",
                    where=f"conversation {index + 1}",
                    mend="leave the item out",
                )
        return self._score(examples)

    def score_texts(self, texts: Sequence[str]) -> list[Score]:
        """The likelihood of each text; one longer than the context is scored in windows of it.

        A window begins with the last token of the window before, so that every token of the text is predicted once.
        """
        windows = [_windows(self.loaded.format.text(text), self.loaded.context) for text in texts]
        scores = iter(self._score([window for parts in windows for window in parts]))
        whole = []
        for parts in windows:
            found = [next(scores) for _ in parts]
            whole.append(Score(sum(score.nll for score in found), sum(score.tokens for score in found)))
        return whole

    @torch.inference_mode()
    def _score(self, examples: list[Tokens]) -> list[Score]:
        scores: list[Score | None] = [None] * len(examples)
        grid = [min(-(-len(example.ids) // _GRID) * _GRID, self.loaded.context) for example in examples]
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
        pad, device = self.loaded.pad_id, self.loaded.device
        ids_BT = torch.tensor([tokens.ids + [pad] * (length - len(tokens.ids)) for tokens in batch], device=device)
        labels_BT = torch.tensor(
            [tokens.labels() + [-100] * (length - len(tokens.ids)) for tokens in batch], device=device
        )
        mask_BT = torch.tensor(
            [[1] * len(tokens.ids) + [0] * (length - len(tokens.ids)) for tokens in batch], device=device
        )
        logits_BTV = self.loaded.model(input_ids=ids_BT, attention_mask=mask_BT).logits
        scores = []
        for logits_TV, labels_T in zip(logits_BTV[:, :-1], labels_BT[:, 1:], strict=True):
            kept_T = labels_T != -100
            nll = torch.nn.functional.cross_entropy(logits_TV[kept_T].double(), labels_T[kept_T], reduction="sum")
            scores.append(Score(float(nll), int(kept_T.sum())))
        return scores


def answer_of(loaded: LoadedModel, tokens: list[int], ends: Sequence[int]) -> Generation:
    """Generated tokens as an answer; `ends` are those that end one."""
    finished = bool(tokens) and tokens[-1] in ends
    text = loaded.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
    return Generation(text, len(tokens), finished)


def end_ids(loaded: LoadedModel) -> list[int]:
    """Every token that ends an answer: those that the model's files name, and the one that the template writes."""
    named = getattr(loaded.model.generation_config, "eos_token_id", None)
    ids = {loaded.format.end_id, loaded.tokenizer.eos_token_id, *_turn_end(loaded.format)}
    ids |= set(named) if isinstance(named, list) else {named}
    return sorted(ids - {None})


def _turn_end(chat: ChatFormat) -> list[int]:
    """The token that the template closes an answer with, which is what training teaches the model to end with."""
    probe: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    try:
        tokens = chat.conversation(probe)
    except RequestError:  # no template, or one that refuses this conversation
        return []
    return [token for token, reason in zip(tokens.ids, tokens.reasons, strict=True) if reason == "end_of_turn"][-1:]


def _windows(tokens: Tokens, length: int) -> list[Tokens]:
    """Consecutive parts of at most `length` tokens; each begins with the last token of the one before."""
    starts = range(0, max(len(tokens.ids) - 1, 1), length - 1)
    return [
        Tokens(
            tokens.ids[start : start + length],
            tokens.trained[start : start + length],
            tokens.reasons[start : start + length],
        )
        for start in starts
    ]
