"""Named chat templates for tokenizers that bring none; the tokenizer's own is the authority where there is one."""

from __future__ import annotations

__all__ = ["CHATML", "NAMED", "PLAIN"]

# A line break that follows a block directly is swallowed (Jinja's trim_blocks, which every tokenizer uses).

CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Needs `<|im_start|>` and `<|im_end|>` in the vocabulary as single tokens."""

PLAIN = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}"
    "{% endfor %}"
)
"""Texts one under the other, each answer closed by the end-of-sequence token."""

NAMED = {"chatml": CHATML, "plain": PLAIN}
