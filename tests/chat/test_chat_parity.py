"""Training and generation agree to the token, with the tokenizer that Kamerton trains itself and with foreign ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.chat import ChatFormat, Message
from kamerton.models.scratch import train_tokenizer
from kamerton.models.tokenizer import chat_format, load_tokenizer

SHARED = Path(__file__).parents[3] / "shared" / "data"
FOREIGN = {
    "smollm2": (SHARED / "tokenizers" / "smollm2", "chatml"),
    "stories260K": (SHARED / "model-stories260K", "plain"),
}

TEXTS = [
    "Urząd gminy przyjmuje od poniedziałku do piątku.\n\nProszę zabrać dowód osobisty.\n  - pokój 12\n  - okno 3",
    "user\nassistant\nsystem\n\n\n\n    Zażółć gęślą jaźń. 🙂🙂 <|im_end|> </s>\n\n",
    "The office is open from Monday to Friday.\n \nBring your identity card.\t\tRoom 12.",
] * 4


@cache
def own() -> ChatFormat:
    return chat_format(train_tokenizer(TEXTS, 600), "tokenizer")


@cache
def foreign(name: str) -> ChatFormat:
    folder, template = FOREIGN[name]
    return chat_format(load_tokenizer(folder), template)


spaces = st.sampled_from(["", " ", "  ", "\n", "\n\n", "\n ", " \n", "    ", "\t\t", "\n\n\n\n"])
words = st.sampled_from(
    ["Urząd", "gminy", "assistant", "żółć", "🙂", "<|im_end|>", "</s>", "<s>", "12", ".", "- pokój"]
)
contents = st.lists(spaces | words | st.text(max_size=3), max_size=8).map("".join)
conversations = st.lists(contents, min_size=2, max_size=5).map(
    lambda texts: [
        Message(role="user" if index % 2 == 0 else "assistant", content=text)
        for index, text in enumerate(texts[: len(texts) // 2 * 2])
    ]
)


def agrees(chat: ChatFormat, messages: list[Message]) -> None:
    """Each answer is trained right after the tokens that generation is given, and its text is the answer's."""
    tokens = chat.conversation(messages)
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = chat.prompt_ids(messages[:index])
            assert tokens.ids[: len(prompt)] == prompt
            assert tokens.trained[len(prompt)]
            answer = chat.conversation(messages[: index + 1], last_only=True)
            assert tokens.ids[: len(answer.ids)] == answer.ids, "later turns change no token of earlier ones"
            assert not any(answer.trained[: len(prompt)])
            assert answer.reasons.count("end_of_turn") == 1
            assert answer.ids[answer.reasons.index("end_of_turn")] == chat.end_id


@settings(max_examples=60)
@given(messages=conversations)
def test_a_tokenizer_of_our_own(messages: list[Message]) -> None:
    agrees(own(), messages)


def test_the_tokenizer_of_this_test_would_merge_over_the_boundary() -> None:
    chat = own()
    messages = [Message(role="user", content="a"), Message(role="assistant", content="\n\nb")]
    rendered = chat.render(messages)
    prompt = chat.prompt_ids(messages[:1])
    assert list(chat.encoder(rendered).ids)[: len(prompt)] != prompt
    assert chat.conversation(messages).ids[: len(prompt)] == prompt


def test_a_row_of_many_turns_is_as_its_turns() -> None:
    turns = [Message(role="user" if index % 2 == 0 else "assistant", content=f" {index}\n") for index in range(12)]
    agrees(own(), turns)


def there(name: str) -> object:
    missing = not FOREIGN[name][0].is_dir()
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"the shared tokenizer {name} is not here"))


@pytest.mark.parametrize("name", [there(name) for name in FOREIGN])
@settings(max_examples=60)
@given(messages=conversations)
def test_a_foreign_tokenizer(name: str, messages: list[Message]) -> None:
    agrees(foreign(name), messages)
