"""Named chat templates for tokenizers that bring none; the tokenizer's own is the authority where there is one."""

from __future__ import annotations

__all__ = ["CHATML", "NAMED", "PLAIN"]

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
"""Needs `<|im_start|>` and `<|im_end|>` in the vocabulary as single tokens. Tools and calls of them are written as
Hermes and Qwen do, a tool's reply as a turn of the role `tool`."""

PLAIN = (
    "{% if bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}"
    "{% endfor %}"
)
"""Texts one under the other, each answer closed by the end-of-sequence token."""

NAMED = {"chatml": CHATML, "plain": PLAIN}
