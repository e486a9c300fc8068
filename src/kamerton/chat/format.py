"""One function renders a conversation, for training, generation, scoring and serving alike.

Legend: T tokens. A mask says for each token whether it is trained on, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kamerton.chat.messages import Message
from kamerton.ground.digests import digest
from kamerton.ground.errors import DataError, RecipeError

__all__ = ["ChatFormat", "ChatTokenizer", "Encoding", "Reason", "Tokens"]

Reason = Literal["answer", "end_of_turn", "text", "prompt"]


class Encoding(Protocol):
    """What a fast tokenizer returns for a text."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def offsets(self) -> list[tuple[int, int]]: ...


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that `chat` uses."""

    bos_token: Any
    eos_token: Any
    bos_token_id: Any
    eos_token_id: Any
    all_special_tokens: list[str]

    def apply_chat_template(
        self, conversation: Any, *, chat_template: str, tokenize: bool, add_generation_prompt: bool
    ) -> Any: ...


class Encoder(Protocol):
    """Text to token ids with character offsets, adding and cutting nothing."""

    def __call__(self, text: str) -> Encoding: ...


@dataclass(frozen=True)
class Tokens:
    """A rendered example.

    `ids`, `trained` and `reasons` have length T; `cut` counts the tokens that did not fit.
    """

    ids: list[int]
    trained: list[bool]
    reasons: list[Reason]
    cut: int = 0

    @property
    def trained_count(self) -> int:
        """Trained tokens that are predicted from a token before them."""
        return sum(self.trained[1:])

    def labels(self, ignored: int = -100) -> list[int]:
        """The ids where they are trained on, `ignored` elsewhere; length T, not shifted."""
        return [token if on else ignored for token, on in zip(self.ids, self.trained, strict=True)]

    def first(self, length: int | None) -> Tokens:
        """The first `length` tokens; what is cut is counted."""
        if length is None or len(self.ids) <= length:
            return self
        return Tokens(
            self.ids[:length], self.trained[:length], self.reasons[:length], self.cut + len(self.ids) - length
        )


class ChatFormat:
    """A tokenizer with its template: the only place where conversations become tokens."""

    def __init__(self, tokenizer: ChatTokenizer, encode: Encoder, template: str | None, end_id: int) -> None:
        """
        Args:
            encode: encodes without adding special tokens and without truncation.
            template: Jinja source; None for a model that only knows texts.
            end_id: the token that ends a text.
        """
        self._tokenizer = tokenizer
        self._encode = encode
        self._template = template
        self.end_id = end_id

    @property
    def digest(self) -> str:
        """Digest of the template; part of a run's lineage."""
        return digest(self._template or "")

    @property
    def template(self) -> str:
        if self._template is None:
            raise RecipeError(
                "the tokenizer has no chat template",
                expected="a conversation needs one",
                mend="set model.chat_template to chatml or plain, or train on texts",
            )
        return self._template

    def render(self, messages: Sequence[Message], *, answering: bool = False) -> str:
        """The conversation as text; `answering` ends it where the model's answer begins."""
        rendered = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=answering,
        )
        return str(rendered)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids up to where the model's answer begins."""
        return list(self._encode(self.render(messages, answering=True)).ids)

    def text(self, text: str) -> Tokens:
        """A plain text: begin token (where there is one), the text, end token; all trained on."""
        begin = [] if self._tokenizer.bos_token_id is None else [int(self._tokenizer.bos_token_id)]
        body = list(self._encode(text).ids)
        reasons: list[Reason] = ["prompt"] * len(begin) + ["text"] * len(body) + ["end_of_turn"]
        return Tokens([*begin, *body, self.end_id], [reason != "prompt" for reason in reasons], reasons)

    def conversation(self, messages: Sequence[Message], *, last_only: bool = False) -> Tokens:
        """A whole conversation with its mask: assistant turns are trained on, up to and with their end-of-turn token.

        The answer's place is found by rendering: what the template adds when a turn goes from "about to answer" to
        "answered" is the answer. So any template works whose rendering of a prefix is a prefix of the rendering.

        Raises:
            DataError: the template rewrites earlier turns, or no assistant turn is there.
        """
        whole = self.render(messages)
        spans = [
            self._answer_span(messages, index, whole)
            for index, message in enumerate(messages)
            if message["role"] == "assistant"
        ]
        if not spans:
            raise DataError("no assistant turn to learn from", expected="a conversation that ends with an answer")
        encoding = self._encode(whole)
        reasons: list[Reason] = ["prompt"] * len(encoding.ids)
        for begin, content_end, end in spans[-1:] if last_only else spans:
            for position, (start, stop) in enumerate(encoding.offsets):
                if stop > start and begin <= start < end:
                    reasons[position] = "answer" if start < content_end else "end_of_turn"
        return Tokens(list(encoding.ids), [reason != "prompt" for reason in reasons], reasons)

    def _answer_span(self, messages: Sequence[Message], index: int, whole: str) -> tuple[int, int, int]:
        """Characters (begin, end of the content, end of the turn's last special token) of one answer in `whole`."""
        before = self.render(messages[:index], answering=True)
        after = self.render(messages[: index + 1])
        if not (whole.startswith(after) and after.startswith(before)):
            raise DataError(
                "the chat template rewrites earlier turns, so the answer cannot be found in it",
                expected="a template whose prefix rendering is a prefix",
            )
        added = after[len(before) :]
        content = len(messages[index]["content"])
        ends = [
            place + len(token)
            for token in self._tokenizer.all_special_tokens
            if (place := added.find(token, content)) >= 0
        ]
        end = min(ends) if ends else content
        return len(before), len(before) + content, len(before) + end
