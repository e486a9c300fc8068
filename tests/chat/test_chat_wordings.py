"""The named templates write what LLaMA-Factory 0.9.5 writes, and keep the promises of `chat`."""

from __future__ import annotations

import re
from functools import cache

import pytest
from chat_samples import CONTROL, byte_level, chat_format
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.chat import NAMED, SPECIAL_TOKENS, ChatFormat, Message
from kamerton.chat.wordings import WORDINGS
from kamerton.ground.errors import DataError

# What `Template.encode_multiturn` of LLaMA-Factory gives, its ids written out, with `<s>` and `</s>` for begin and end:
# a system turn S and two questions with answers; one question with its answer.
GOLDEN = {
    "alpaca": (
        "S### Instruction:\nQ1\n\n### Response:\nA1</s>\n\n### Instruction:\nQ2\n\n### Response:\nA2</s>\n\n",
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nQ1\n\n### Response:\nA1</s>\n\n",
    ),
    "chatml": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
        "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n",
    ),
    "deepseek": (
        "<s>S\n\nUser: Q1\n\nAssistant:A1</s>User: Q2\n\nAssistant:A2</s>",
        "<s>User: Q1\n\nAssistant:A1</s>",
    ),
    "deepseek3": (
        "<s>S<\uff5cUser\uff5c>Q1<\uff5cAssistant\uff5c>A1</s><\uff5cUser\uff5c>Q2<\uff5cAssistant\uff5c>A2</s>",
        "<s><\uff5cUser\uff5c>Q1<\uff5cAssistant\uff5c>A1</s>",
    ),
    "deepseekr1": (
        "<s>S<\uff5cUser\uff5c>Q1<\uff5cAssistant\uff5c><think>\n\n</think>\n\n"
        "A1</s><\uff5cUser\uff5c>Q2<\uff5cAssistant\uff5c><think>\n\n</think>\n\nA2</s>",
        "<s><\uff5cUser\uff5c>Q1<\uff5cAssistant\uff5c><think>\n\n</think>\n\nA1</s>",
    ),
    "default": (
        "System: S</s>\nHuman: Q1</s>\nAssistant:A1</s>\nHuman: Q2</s>\nAssistant:A2</s>\n",
        "Human: Q1</s>\nAssistant:A1</s>\n",
    ),
    "empty": (
        "SQ1A1Q2A2",
        "Q1A1",
    ),
    "gemma": (
        "<s><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
        "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\nA2<end_of_turn>\n",
        "<s><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n",
    ),
    "gemma2": (
        "<s><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
        "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\nA2<end_of_turn>\n",
        "<s><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n",
    ),
    "gemma3": (
        "<s><start_of_turn>user\nS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
        "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\nA2<end_of_turn>\n",
        "<s><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n",
    ),
    "llama2": (
        "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nQ1 [/INST]A1</s><s>[INST] Q2 [/INST]A2</s>",
        "<s>[INST] Q1 [/INST]A1</s>",
    ),
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nQ1<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA1<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nQ2<|eot_id|><|start_header_id|>assistant"
        "<|end_header_id|>\n\nA2<|eot_id|>",
        "<s><|start_header_id|>user<|end_header_id|>\n\nQ1<|eot_id|><|start_header_id|>assistant"
        "<|end_header_id|>\n\nA1<|eot_id|>",
    ),
    "ministral": (
        "<s>[INST]S\n\nQ1[/INST]A1</s>[INST]Q2[/INST]A2</s>",
        "<s>[INST]Q1[/INST]A1</s>",
    ),
    "mistral": (
        "<s>[INST] S\n\nQ1[/INST] A1</s>[INST] Q2[/INST] A2</s>",
        "<s>[INST] Q1[/INST] A1</s>",
    ),
    "phi": (
        "<|system|>\nS<|end|>\n<|user|>\nQ1<|end|>\n<|assistant|>\nA1<|end|>\n<|user|>\nQ2<|end|>\n"
        "<|assistant|>\nA2<|end|>\n",
        "<|user|>\nQ1<|end|>\n<|assistant|>\nA1<|end|>\n",
    ),
    "phi4": (
        "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>Q1<|im_end|><|im_start|>assistant"
        "<|im_sep|>A1<|im_end|><|im_start|>user<|im_sep|>Q2<|im_end|><|im_start|>assistant<|im_sep|>A2"
        "<|im_end|>",
        "<|im_start|>user<|im_sep|>Q1<|im_end|><|im_start|>assistant<|im_sep|>A1<|im_end|>",
    ),
    "phi4_mini": (
        "<|system|>S<|end|><|user|>Q1<|end|><|assistant|>A1<|end|><|user|>Q2<|end|><|assistant|>A2<|end|>",
        "<|user|>Q1<|end|><|assistant|>A1<|end|>",
    ),
    "qwen": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
        "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        "<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n",
    ),
    "qwen3": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n"
        "<think>\n\n</think>\n\nA1<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n"
        "<think>\n\n</think>\n\nA2<|im_end|>\n",
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nA1<|im_end|>\n",
    ),
    "qwen3_nothink": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
        "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n",
    ),
    "smollm": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
        "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n",
    ),
    "yi": (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1"
        "<|im_end|>\n<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\nA2<|im_end|>\n",
        "<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n",
    ),
    "zephyr": (
        "<|system|>\nS</s><|user|>\nQ1</s><|assistant|>\nA1</s><|user|>\nQ2</s><|assistant|>\nA2</s>",
        "<|system|>\nYou are Zephyr, a helpful assistant.</s><|user|>\nQ1</s><|assistant|>\nA1</s>",
    ),
}
TURNS: list[Message] = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q1"},
    {"role": "assistant", "content": "A1"},
    {"role": "user", "content": "Q2"},
    {"role": "assistant", "content": "A2"},
]
MARKS = sorted({token for tokens in SPECIAL_TOKENS.values() for token in tokens} - set(CONTROL))


@cache
def named(name: str) -> ChatFormat:
    return chat_format(byte_level([*CONTROL, *MARKS]), NAMED[name], "<s>", "</s>")


def tokens_of(chat: ChatFormat, ids: list[int]) -> str:
    return str(byte_level([*CONTROL, *MARKS]).decode(ids, skip_special_tokens=False))


def test_every_named_template_is_held_against_theirs() -> None:
    assert {*GOLDEN, "plain"} == set(NAMED)
    assert set(SPECIAL_TOKENS) == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_text_is_theirs(name: str) -> None:
    assert named(name).render(TURNS) == GOLDEN[name][0]
    assert named(name).render(TURNS[1:3]) == GOLDEN[name][1]


@pytest.mark.parametrize("name", GOLDEN)
def test_answers_alone_are_learned_and_their_end_with_them(name: str) -> None:
    chat = named(name)
    tokens = chat.conversation(TURNS)
    learned = tokens_of(chat, [token for token, on in zip(tokens.ids, tokens.trained, strict=True) if on])
    wording = WORDINGS.get(name, WORDINGS["qwen"])
    end = re.match(r"(<[^>]+>)?", wording.answer.partition("{}")[2].replace("{eos}", "</s>"))
    assert end is not None
    thought = "<think>\n\n</think>\n\n" if wording.thought else ""
    space = " " if name == "mistral" else ""
    assert learned == "".join(f"{thought}{space}{answer}{end[0]}" for answer in ("A1", "A2"))
    assert tokens.reasons.count("end_of_turn") == (0 if name == "empty" else 2)


FRAGMENTS = [
    *("a", "żółć", "🙂", " ", "\n", "\n\n", "]", "{{ x }}", "{}", "{eos}", "<think>", "</s>", "<|im_end|>", "'", '"'),
]
contents = st.lists(st.sampled_from(FRAGMENTS), max_size=5).map("".join)


@pytest.mark.parametrize("name", GOLDEN)
@settings(max_examples=10, deadline=None)
@given(texts=st.lists(contents, min_size=2, max_size=4), system=st.none() | contents)
def test_training_begins_with_what_generation_sees(name: str, texts: list[str], system: str | None) -> None:
    chat = named(name)
    turns: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    for question, answer in zip(texts[::2], texts[1::2], strict=False):
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    tokens = chat.conversation(turns)
    for index, turn in enumerate(turns):
        if turn["role"] == "assistant":
            prompt = chat.prompt_ids(turns[:index])
            assert tokens.ids[: len(prompt)] == prompt
            assert not turn["content"] or tokens.trained[len(prompt)]
    first = chat.prompt_ids(turns[: 1 + (system is not None)])
    assert not any(tokens.trained[: len(first)])


def test_a_thought_that_is_there_is_not_doubled() -> None:
    thought = Message(role="assistant", content="<think>\nhm\n</think>\n\nA1")
    assert named("qwen3").render([TURNS[1], thought]).count("<think>") == 1


def test_an_own_system_turn_replaces_the_usual_one() -> None:
    assert "Qwen" not in named("qwen").render(TURNS)
    assert "Qwen" in named("qwen").render([{"role": "system", "content": ""}, *TURNS[1:]])


@pytest.mark.parametrize("name", sorted(WORDINGS))
def test_what_has_no_place_is_refused(name: str) -> None:
    chat = named(name)
    with pytest.raises(DataError, match="no place for a turn of the role tool"):
        chat.conversation([*TURNS, {"role": "tool", "content": "4"}, *TURNS[-1:]])
    with pytest.raises(DataError, match="no place for a turn of the role system"):
        chat.render([*TURNS[1:3], *TURNS])
    with pytest.raises(DataError, match="leaves out the tools"):
        chat.conversation(TURNS, tools='[{"name": "add", "parameters": {}}]')
    calling: Message = {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": "{}"}]}
    with pytest.raises(DataError, match="leaves out the tool calls"):
        chat.conversation([*TURNS[:2], calling])
    if WORDINGS[name].within_user:
        with pytest.raises(DataError, match="no place for a turn of the role assistant"):
            chat.render([TURNS[0], TURNS[2]])


@pytest.mark.parametrize("name", sorted(WORDINGS))
def test_marks_with_bars_are_special_tokens(name: str) -> None:
    """Of zephyr they are text: its tokenizer has none."""
    wording = WORDINGS[name]
    slots = wording.user + wording.opening + wording.answer + wording.system
    marks = set(re.findall(r"<[|\uff5c]\w+[|\uff5c]>|<\w+_of_turn>", slots))
    assert marks == (set(wording.tokens) if name != "zephyr" else {"<|user|>", "<|assistant|>", "<|system|>"})


def test_a_tokenizer_without_a_begin_token_is_written_without() -> None:
    bare = chat_format(byte_level(), NAMED["llama2"], None, "</s>")
    assert bare.render(TURNS[1:3]) == "[INST] Q1 [/INST]A1</s>"
