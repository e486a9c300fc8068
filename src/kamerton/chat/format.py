"""One function renders a conversation, for training, generation, scoring and serving alike.

Legend: T tokens. A mask says for each token whether it is trained on, and why.

Two promises hold for every tokenizer and template:

- Parity: the tokens of a conversation begin with `prompt_ids` of the turns before the answer, so that training sees
  what generation will see. Where the tokenizer would merge characters over that boundary, it is not let.
- Contents are text: `<|im_end|>` inside a content, a tool's description or the arguments of a call is encoded character
  by character and ends no turn. Only the template writes control tokens.

What a conversation has and its template leaves out (tools, calls of them) is refused: nothing is lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kamerton.chat.encoding import ControlTokens, Encoder, encode_at
from kamerton.chat.messages import Message
from kamerton.chat.tools import Turn, swapped, template_tools, template_turn, texts_of
from kamerton.ground.digests import digest
from kamerton.ground.errors import DataError, RecipeError

__all__ = ["IGNORED", "ChatFormat", "ChatTokenizer", "Reason", "Tokens"]

IGNORED = -100
"""The label of a token that is not learned."""

Reason = Literal["answer", "end_of_turn", "text", "prompt"]

_PROBE = "\ue000"
"""A content that shows what a template puts around any content."""

_Span = tuple[int, int, int]
"""Characters of one answer: its beginning, the end of its content, the end of its end-of-turn token."""


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that `chat` uses."""

    bos_token: Any
    eos_token: Any
    bos_token_id: Any
    eos_token_id: Any

    @property
    def all_special_tokens(self) -> list[str]: ...
    @property
    def added_tokens_decoder(self) -> Any: ...

    def apply_chat_template(
        self, conversation: Any, *, tools: Any, chat_template: str, tokenize: bool, add_generation_prompt: bool
    ) -> Any: ...


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

    def labels(self) -> list[int]:
        """The ids where they are trained on, `IGNORED` elsewhere; length T, not shifted."""
        return [token if on else IGNORED for token, on in zip(self.ids, self.trained, strict=True)]

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
        self.tokenizer = tokenizer
        self.encoder = encode
        self.source = template
        self.end_id = end_id
        added = tokenizer.added_tokens_decoder.values()
        self._control = ControlTokens(
            [*tokenizer.all_special_tokens, *(token.content for token in added if token.special)]
        )
        self._written: set[str] = set()
        """What the template was seen to write beside plain turns."""

    def under(self, template: str) -> ChatFormat:
        """The same tokenizer with another template."""
        return ChatFormat(self.tokenizer, self.encoder, template, self.end_id)

    @property
    def digest(self) -> str:
        """Digest of the template; part of a run's lineage."""
        return digest(self.source or "")

    @property
    def template(self) -> str:
        if self.source is None:
            raise RecipeError(
                "the tokenizer has no chat template",
                expected="a conversation needs one",
                mend="set model.chat_template to a named one, such as chatml or plain, or train on texts",
            )
        return self.source

    def render(self, messages: Sequence[Message], *, tools: str = "", answering: bool = False) -> str:
        """The conversation as text; `answering` ends it where the model's answer begins.

        Args:
            tools: what the assistant may call, as `Row.tools` holds it.

        Raises:
            DataError: the template refuses the conversation, as for a role that it does not know, or leaves tools out.
        """
        return self._whole([template_turn(message) for message in messages], template_tools(tools), answering=answering)

    def prompt_ids(self, messages: Sequence[Message], *, tools: str = "") -> list[int]:
        """Token ids up to where the model's answer begins."""
        turns, offered, letters = self._cover(messages, tools)
        prompt = self._whole(turns, offered, answering=True)
        spans = [self._span(turns, offered, index, prompt) for index in _answers(turns)]
        ids, _ = self._encode_covered(prompt, letters, {place for span in spans if span for place in span})
        return ids

    def text(self, text: str) -> Tokens:
        """A plain text: begin token (where there is one), the text, end token; all trained on."""
        begin = [] if self.tokenizer.bos_token_id is None else [int(self.tokenizer.bos_token_id)]
        (covered,), letters = self._control.cover([text])
        body, _ = self._encode_covered(covered, letters, set())
        reasons: list[Reason] = ["prompt" for _ in begin]
        reasons += ["text" for _ in body]
        reasons.append("end_of_turn")
        return Tokens([*begin, *body, self.end_id], [reason != "prompt" for reason in reasons], reasons)

    def conversation(self, messages: Sequence[Message], *, tools: str = "", last_only: bool = False) -> Tokens:
        """A whole conversation with its mask: assistant turns are trained on, up to and with their end-of-turn token.

        An answer with `trained: False` is not; one with tool calls is trained on as the template writes them.

        Args:
            tools: what the assistant may call, as `Row.tools` holds it.
            last_only: the last assistant turn alone, whatever its `trained` says.

        Raises:
            DataError: the template refuses the roles, leaves tools out or rewrites earlier turns, or no assistant turn
                is there.
        """
        turns, offered, letters = self._cover(messages, tools)
        whole = self._whole(turns, offered)
        answers = _answers(turns)
        if not answers:
            raise DataError("no assistant turn to learn from", expected="a conversation that ends with an answer")
        spans = {index: self._span(turns, offered, index, whole, ended=index == len(turns) - 1) for index in answers}
        cuts = {place for span in spans.values() if span for place in span}
        ids, marks = self._encode_covered(whole, letters, cuts)
        reasons: list[Reason] = ["prompt" for _ in ids]
        learned = [index for index in answers if messages[index].get("trained", True)]
        for index in answers[-1:] if last_only else learned:
            span = spans[index]
            if span is None:
                raise DataError(
                    "the chat template rewrites earlier turns, so the answer cannot be found in it",
                    where=f"turn {index + 1}",
                    expected="a template whose rendering of a beginning is the beginning of its rendering",
                    mend="keep only the last question and answer of each conversation, or set model.chat_template",
                )
            begin, content_end, end = (marks[place] for place in span)
            reasons[begin:content_end] = ["answer" for _ in range(begin, content_end)]
            reasons[content_end:end] = ["end_of_turn" for _ in range(content_end, end)]
        return Tokens(ids, [reason != "prompt" for reason in reasons], reasons)

    def _render(self, turns: Sequence[Turn], tools: list[Any] | None, *, answering: bool = False) -> str:
        from jinja2 import TemplateError, TemplateSyntaxError

        try:
            # A batch of one, because some versions refuse a conversation without a turn.
            rendered = self.tokenizer.apply_chat_template(
                [list(turns)],
                tools=tools,
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=answering,
            )
        except TemplateSyntaxError as error:
            raise RecipeError(f"the chat template is not valid Jinja: {error}", where="model.chat_template") from error
        except TemplateError as error:
            roles = ", ".join(turn["role"] for turn in turns)
            raise DataError(
                f"the chat template refuses the roles {roles or 'of an empty conversation'}: {error}"
            ) from error
        return str(rendered[0])

    def _whole(self, turns: Sequence[Turn], tools: list[Any] | None, *, answering: bool = False) -> str:
        """The rendering, once it is known that the template writes what few conversations have."""
        whole = self._render(turns, tools, answering=answering)
        calling = [turn for turn in turns if "tool_calls" in turn]
        if tools:
            self._must_write("the tools", lambda: self._render(turns, None, answering=answering) != whole)
        if calling:
            bare = [_without(turn, "tool_calls") for turn in turns]
            self._must_write("the tool calls", lambda: self._render(bare, tools, answering=answering) != whole)
        if any(turn["content"].strip() for turn in calling):
            probes = [turn | {"content": _PROBE} if "tool_calls" in turn else turn for turn in turns]
            self._must_write("what is said beside tool calls", lambda: _PROBE in self._render(probes, tools))
        return whole

    def _must_write(self, what: str, is_written: Callable[[], bool]) -> None:
        """Refuse a template that leaves something out; it is asked once."""
        if what in self._written:
            return
        try:
            written = is_written()
        except DataError:  # it refuses the conversation without it: it counts
            written = True
        if not written:
            raise DataError(
                f"the chat template leaves out {what}",
                where="model.chat_template",
                expected="a template that writes all of a conversation, as chatml does",
                mend="set model.chat_template to chatml, or take it out of the rows",
            )
        self._written.add(what)

    def _cover(self, messages: Sequence[Message], tools: str) -> tuple[list[Turn], list[Any] | None, dict[str, str]]:
        """Turns and tools with the texts of control tokens in them covered (`ControlTokens.cover`)."""
        turns, offered = [template_turn(message) for message in messages], template_tools(tools)
        texts = list(dict.fromkeys(texts_of([[_without(turn, "role") for turn in turns], offered])))
        covered, letters = self._control.cover(texts)
        if not letters:
            return turns, offered, {}
        table = dict(zip(texts, covered, strict=True))
        return (
            [swapped(_without(turn, "role"), table) | {"role": turn["role"]} for turn in turns],
            swapped(offered, table),
            letters,
        )

    def _encode_covered(self, text: str, letters: dict[str, str], cuts: set[int]) -> tuple[list[int], dict[int, int]]:
        """Ids of a rendered text, uncovered, and the number of ids before each cut."""
        apart = {place + 1 for place, letter in enumerate(text) if letter in letters} if letters else set()
        bare = "".join(letters.get(letter, letter) for letter in text) if letters else text
        return encode_at(self.encoder, bare, cuts | apart, self._control.starts(text))

    def _span(
        self, turns: Sequence[Turn], tools: list[Any] | None, index: int, whole: str, *, ended: bool = False
    ) -> _Span | None:
        """Where one answer stands in `whole`; None where the template has rewritten it or what is before it.

        The place is found by rendering: what the template adds when a turn goes from "about to answer" to "answered"
        is the answer, and what stands after the content of a probe stands after any content, however it is trimmed.

        Args:
            ended: `whole` ends with this answer.
        """
        before = self._render(turns[:index], tools, answering=True)
        after = whole if ended else self._render(turns[: index + 1], tools)
        probed = self._render([*turns[:index], {"role": "assistant", "content": _PROBE}], tools)
        _, probe, tail = probed[len(before) :].partition(_PROBE)
        if "tool_calls" in turns[index] and not after.endswith(tail):
            # Some templates end a call with a token of its own: the last one of the turn.
            tail = after[self._control.last_start(after) :]
        content_end = len(after) - len(tail)
        end = content_end + self._control.first_end(tail)
        found = probed.startswith(before) and probe and after.startswith(before) and after.endswith(tail)
        if not found or content_end < len(before) or not whole.startswith(after[:end]):
            return None
        return len(before), content_end, end


def _without(turn: Turn, key: str) -> Turn:
    return {name: value for name, value in turn.items() if name != key}


def _answers(turns: Sequence[Turn]) -> list[int]:
    return [index for index, turn in enumerate(turns) if turn["role"] == "assistant"]
