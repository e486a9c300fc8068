"""Named chat templates for tokenizers that bring none; the tokenizer's own is the authority where there is one."""

from __future__ import annotations

from typing import Final

from kamerton.chat.wordings import WORDINGS

__all__ = ["CHATML", "NAMED", "PLAIN", "SPECIAL_TOKENS"]

# A line break that follows a block directly is swallowed (Jinja's trim_blocks, which every tokenizer uses).

CHATML = (
    "{% if tools %}"
    "<|im_start|>system\n"
    "{% if messages and messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\n\n' }}{% endif %}"
    "# Tools\n\nYou may call these functions:\n<tools>\n"
    "{% for tool in tools %}{{ tool | tojson + '\n' }}{% endfor %}"
    "</tools>\n\nTo call one, write its name and arguments as JSON between these tags:\n"
    '<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call><|im_end|>\n'
    "{% endif %}"
    "{% for message in messages %}{% if not (tools and loop.first and message['role'] == 'system') %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "{% for call in message['tool_calls'] or [] %}"
    "{% if message['content'] or not loop.first %}{{ '\n' }}{% endif %}"
    "<tool_call>\n{\"name\": {{ call['function']['name'] | tojson }}, "
    "\"arguments\": {{ call['function']['arguments'] | tojson }}}\n</tool_call>"
    "{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Tools and calls of them are written as Hermes and Qwen do, a tool's reply as a turn of the role `tool`."""

PLAIN = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}"
    "{% endfor %}"
)
"""Texts one under the other, each answer closed by the end-of-sequence token."""

_AS_CHATML: Final = ("chatml", "qwen3_nothink", "smollm", "yi")

NAMED: Final = {
    **dict.fromkeys(_AS_CHATML, CHATML),
    "plain": PLAIN,
    **{name: wording.jinja for name, wording in WORDINGS.items()},
}
"""Jinja by the names of `model.chat_template`; all but `plain` write the text of LLaMA-Factory's template so named."""

SPECIAL_TOKENS: Final = {
    **dict.fromkeys(_AS_CHATML, ("<|im_start|>", "<|im_end|>")),
    **{name: wording.tokens for name, wording in WORDINGS.items()},
}
"""What a named template needs as single special tokens of the tokenizer."""
