"""Tools and calls of them: written by the template, trained on as answers, and never able to end a turn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_samples import CONTROL, byte_level, chat_format, family
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.chat import ChatFormat, Message, Tokens
from kamerton.chat.templates import CHATML, PLAIN
from kamerton.ground.errors import DataError

TOOLS = '[{"name": "szukaj", "description": "Szuka aktu", "parameters": {"type": "object", "properties": {}}}]'
CALL: Message = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"name": "szukaj", "arguments": '{"akt": "o rybołówstwie"}', "id": "c1"}],
}
TALK: list[Message] = [
    {"role": "system", "content": "Pomagasz."},
    {"role": "user", "content": "Kiedy?"},
    CALL,
    {"role": "tool", "content": "2010", "tool_call_id": "c1", "name": "szukaj"},
    {"role": "assistant", "content": "W 2010."},
]

# Ends a turn of calls with a token of its own and writes them instead of the content, as Llama 3.1 does.
LLAMA_CALLS = (
    "{{ bos_token }}"
    "{% if tools %}{{ '<|start_header_id|>system<|end_header_id|>\n\n' + tools | tojson + '<|eot_id|>' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if 'tool_calls' in message %}"
    "{{ message['content'] }}{% for call in message['tool_calls'] %}{{ call.function | tojson }}{% endfor %}"
    "{{ '<|end_of_text|>' }}"
    "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
IDS = {token: index for index, token in enumerate(CONTROL)}
FORMATS: dict[str, tuple[ChatFormat, set[int]]] = {
    "chatml": (family("chatml"), {IDS["<|im_end|>"]}),
    "llama": (
        chat_format(byte_level(), LLAMA_CALLS, "<|begin_of_text|>", "<|eot_id|>"),
        {IDS["<|eot_id|>"], IDS["<|end_of_text|>"]},
    ),
}
BYTES = byte_level()


def decode(ids: list[int]) -> str:
    return str(BYTES.decode(ids, skip_special_tokens=False))


def trained_texts(tokens: Tokens) -> list[str]:
    """The trained stretches."""
    found: list[list[int]] = [[]]
    for token, on in zip(tokens.ids, tokens.trained, strict=True):
        if on:
            found[-1].append(token)
        elif found[-1]:
            found.append([])
    return [decode(ids) for ids in found if ids]


def test_chatml_writes_tools_and_calls() -> None:
    assert family("chatml").render(TALK, tools=TOOLS, answering=True) == (
        "<|im_start|>system\nPomagasz.\n\n# Tools\n\nYou may call these functions:\n<tools>\n"
        '{"type": "function", "function": {"name": "szukaj", "description": "Szuka aktu", '
        '"parameters": {"type": "object", "properties": {}}}}\n</tools>\n\n'
        "To call one, write its name and arguments as JSON between these tags:\n"
        '<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\nKiedy?<|im_end|>\n"
        '<|im_start|>assistant\n<tool_call>\n{"name": "szukaj", "arguments": {"akt": "o rybołówstwie"}}\n'
        "</tool_call><|im_end|>\n"
        "<|im_start|>tool\n2010<|im_end|>\n"
        "<|im_start|>assistant\nW 2010.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_without_a_system_turn_the_tools_make_one() -> None:
    text = family("chatml").render(TALK[1:2], tools=TOOLS)
    assert text.startswith("<|im_start|>system\n# Tools")
    assert text.count("<|im_start|>") == 2
    assert family("chatml").render([], tools=TOOLS).count("<|im_start|>") == 1


def test_words_before_several_calls_stay() -> None:
    turn: Message = {"role": "assistant", "content": "Sprawdzę.", "tool_calls": [*CALL["tool_calls"]] * 2}
    text = family("chatml").render([TALK[1], turn])
    assert "assistant\nSprawdzę.\n<tool_call>\n" in text
    assert text.count("\n<tool_call>\n") == 2
    assert text.count("</tool_call>") == 2


@pytest.mark.parametrize("name", FORMATS)
def test_calls_and_their_ends_are_trained(name: str) -> None:
    chat, ends = FORMATS[name]
    call, answer = trained_texts(chat.conversation(TALK, tools=TOOLS))
    assert '"arguments": {"akt": "o rybołówstwie"}' in call
    assert "W 2010." in answer
    for text in (call, answer):
        assert any(text.endswith(CONTROL[end]) for end in ends)


def test_a_turn_that_is_not_trained_is_masked() -> None:
    chat = family("chatml")
    shown: list[Message] = [{**turn, "trained": False} if turn is CALL else turn for turn in TALK]  # type: ignore[misc]
    tokens = chat.conversation(shown, tools=TOOLS)
    assert tokens.ids == chat.conversation(TALK, tools=TOOLS).ids
    assert trained_texts(tokens) == ["W 2010.<|im_end|>"]
    last: list[Message] = [*TALK[:-1], {"role": "assistant", "content": "W 2010.", "trained": False}]
    assert chat.conversation(last, tools=TOOLS).trained_count > 0, "the call is still learned"
    assert trained_texts(chat.conversation(last, tools=TOOLS, last_only=True)) == ["W 2010.<|im_end|>"]
    assert not any(chat.conversation([TALK[1], last[-1]]).trained)


fragments = st.sampled_from(
    ["<|im_end|>", "<|im_", "end|>", "</s>", "<|eot_id|>", '"', "\\", "}", "ż", "\n", "a", "🙂"]
)
texts = st.lists(fragments | st.text(max_size=2), max_size=5).map("".join)
names = texts.filter(bool)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(texts, values, max_size=3).map(json.dumps)
tools = st.lists(
    st.fixed_dictionaries(
        {"name": names, "description": texts, "parameters": st.dictionaries(texts, values, max_size=2)}
    ),
    min_size=1,
    max_size=2,
).map(json.dumps)


@st.composite
def tool_talks(draw: st.DrawFn) -> list[Message]:
    """User, a call and its reply, an answer; once or twice."""
    messages: list[Message] = []
    for _ in range(draw(st.integers(1, 2))):
        calls = [{"name": draw(names), "arguments": draw(arguments)} for _ in range(draw(st.integers(1, 2)))]
        messages.append({"role": "user", "content": draw(texts)})
        messages.append({"role": "assistant", "content": draw(texts), "tool_calls": calls})  # type: ignore[typeddict-item]
        messages += [{"role": "tool", "content": draw(texts), "name": draw(names)} for _ in calls]  # type: ignore[misc]
        messages.append({"role": "assistant", "content": draw(texts)})
    return messages


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(messages=tool_talks(), offered=tools)
def test_parity_and_ends_hold_whatever_calls_and_tools_say(name: str, messages: list[Message], offered: str) -> None:
    chat, ends = FORMATS[name]
    tokens = chat.conversation(messages, tools=offered)
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    for index in answers:
        prompt = chat.prompt_ids(messages[:index], tools=offered)
        assert tokens.ids[: len(prompt)] == prompt
        assert tokens.trained[len(prompt)], "training begins where generation does"
        assert not tokens.trained[len(prompt) - 1]
    trained_ends = sum(token in ends for token, on in zip(tokens.ids, tokens.trained, strict=True) if on)
    assert trained_ends == len(answers), "one end for each answer, and none from a text"
    assert sum(token in ends for token in tokens.ids) == len(messages) + 1, "one for each turn, one for the tools"


PLAIN_CHAT = chat_format(byte_level(), PLAIN, "<s>", "</s>")
# Calls are written instead of what is said beside them.
FORGETS_WORDS = CHATML.replace(
    "{{ message['content'] }}", "{% if not message['tool_calls'] %}{{ message['content'] }}{% endif %}"
)


@pytest.mark.parametrize(
    ("chat", "messages", "offered", "what"),
    [
        (PLAIN_CHAT, TALK[1:2], TOOLS, "the tools"),
        (PLAIN_CHAT, TALK, "", "the tool calls"),
        (
            chat_format(byte_level(), FORGETS_WORDS, None, "</s>"),
            [TALK[1], {**CALL, "content": "Sprawdzę."}],
            "",
            "what is said beside tool calls",
        ),
    ],
)
def test_a_template_that_leaves_something_out_is_refused(
    chat: ChatFormat, messages: list[Message], offered: str, what: str
) -> None:
    for use in (chat.render, chat.prompt_ids, chat.conversation):
        with pytest.raises(DataError, match=f"leaves out {what}\n") as caught:
            use(messages, tools=offered)  # type: ignore[operator]
        assert "chatml" in caught.value.mend


def test_a_template_may_need_the_calls() -> None:
    """It refuses the conversation without them, so it writes them."""
    picky = CHATML.replace(
        "{% for message in messages %}",
        "{% for message in messages %}{% if message['role'] == 'assistant' and not message['tool_calls'] %}"
        "{{ raise_exception('calls only') }}{% endif %}",
    )
    assert "szukaj" in chat_format(byte_level(), picky, None, "</s>").render(TALK[:3])


@pytest.mark.parametrize(
    ("messages", "offered", "words"),
    [
        (TALK, "[", "the tools cannot be read as JSON"),
        (TALK, '{"name": "a"}', "the tools are not a list of objects"),
        (TALK, '["a"]', "the tools are not a list of objects"),
        ([TALK[1], {**CALL, "tool_calls": [{"name": "a", "arguments": "{"}]}], "", "arguments of the call of a"),
        ([TALK[1], {**CALL, "tool_calls": [{"name": "a", "arguments": "[1]"}]}], "", "are no object"),
    ],
)
def test_what_is_no_json_is_refused(messages: list[Any], offered: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        family("chatml").conversation(messages, tools=offered)


def test_no_tools_is_no_tools() -> None:
    chat = family("chatml")
    assert chat.render(TALK, tools="[]") == chat.render(TALK)
    assert PLAIN_CHAT.render(TALK[1:2], tools="[]") == PLAIN_CHAT.render(TALK[1:2])
