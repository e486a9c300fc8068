"""Tokenizers and templates for the tests of `chat`: small, written here, and shaped like the families in use.

A tokenizer is byte-level BPE with a fixed list of merges, so that its ids never change with a library's trainer.
"""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from kamerton.chat import ChatFormat
from kamerton.chat.templates import CHATML, PLAIN

CONTROL = [
    "<pad>",
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<bos>",
    "<eos>",
    "<start_of_turn>",
    "<end_of_turn>",
]

MERGES = [
    *("Ċ Ċ", "Ġ Ġ", "Ċ Ġ", "u s", "us e", "use r", "a s", "as s", "ass i", "assi s", "assis t", "assist a"),
    *("assista n", "assistan t", "m o", "mo d", "mod e", "mode l", "s y", "sy s", "sys t", "syst e", "syste m"),
    *("Ġ n", "Ġn a", "Ä ħ", "Å ¼", "Å Ĥ", "Ġ s", "c z", "Ġ Å", "t a", "ta k", "n i", "ni e", "I N", "IN S", "INS T"),
    *("/ INST", "h e", "he a", "hea d", "head e", "heade r", "e r", "o n", "c h", ". Ċ", "] Ġ"),
]
"""`] Ġ` merges over the place where a Mistral-like answer begins."""

_PIECES = Regex(r"\][^\S\n]| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+\n?|\s+(?!\S)|\s+")

LLAMA = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% set first = messages[0]['content'] + '\n\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + (first if loop.first else '') + message['content'] | trim"
    " + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

MISTRAL = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] | trim + '\n\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{{ bos_token }}"
    "{% for message in turns %}"
    "{% if message['role'] == 'user' %}"
    "{% set last = turns[loop.index0 + 1:] | selectattr('role', 'equalto', 'user') | list | length == 0 %}"
    "{{ '[INST] ' + (system if last else '') + message['content'] | trim + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant roles are supported') }}{% endif %}"
    "{% endfor %}"
)
"""No generation prompt, a space before each answer, and the system turn goes into the last question."""

FAMILIES: dict[str, tuple[str, str | None, str]] = {
    "chatml": (CHATML, None, "<|im_end|>"),
    "plain": (PLAIN, "<s>", "</s>"),
    "llama": (LLAMA, "<|begin_of_text|>", "<|eot_id|>"),
    "gemma": (GEMMA, "<bos>", "<eos>"),
    "mistral": (MISTRAL, "<s>", "</s>"),
}
"""Template, begin token, end token. Gemma's end of text is not its end of turn."""


def byte_level(control: list[str] = CONTROL, merges: list[str] = MERGES) -> Tokenizer:
    """A byte-level BPE tokenizer: the control tokens, the bytes, one token for each merge."""
    vocabulary = [*control, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in merges)]
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    tokenizer = Tokenizer(
        models.BPE(vocab={token: index for index, token in enumerate(dict.fromkeys(vocabulary))}, merges=pairs)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def chat_format(tokenizer: Tokenizer, template: str | None, begin: str | None, end: str) -> ChatFormat:
    """A chat format as `models` makes it."""
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=begin, eos_token=end)

    def encode(text: str) -> Any:
        return fast.backend_tokenizer.encode(text, add_special_tokens=False)

    return ChatFormat(fast, encode, template, fast.eos_token_id)


def family(name: str) -> ChatFormat:
    """The chat format of a family."""
    template, begin, end = FAMILIES[name]
    return chat_format(byte_level(), template, begin, end)
