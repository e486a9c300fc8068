"""What the usual templates of LLaMA-Factory 0.9.5 write, to hold a tokenizer's own template against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["written_there"]


@dataclass(frozen=True)
class _Wording:
    """The text around contents; `{bos}` and `{eos}` are the tokenizer's tokens, `{}` is a content."""

    user: str
    answer: str
    system: str = "{}"
    prefix: str = ""
    usual_system: str = ""
    """The system turn of conversations that have none."""
    within_user: bool = False
    """The system turn stands inside the first user turn."""


_CHATML: Final = _Wording(
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "{}<|im_end|>\n",
    "<|im_start|>system\n{}<|im_end|>\n",
)
_GEMMA: Final = _Wording(
    "<start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
    "{}<end_of_turn>\n",
    "{}\n\n",
    "{bos}",
    within_user=True,
)
_BAR: Final = "\uff5c"
"""DeepSeek's tokens are written with a full-width bar."""
_DEEPSEEK: Final = _Wording(f"<{_BAR}User{_BAR}>{{}}<{_BAR}Assistant{_BAR}>", "{}{eos}", prefix="{bos}")
_WORDINGS: Final = {
    "alpaca": _Wording(
        "### Instruction:\n{}\n\n### Response:\n",
        "{}{eos}\n\n",
        usual_system="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n",
    ),
    "chatml": _CHATML,
    "deepseek": _Wording("User: {}\n\nAssistant:", "{}{eos}", "{}\n\n", "{bos}"),
    "deepseek3": _DEEPSEEK,
    "deepseekr1": _DEEPSEEK,
    "default": _Wording("Human: {}{eos}\nAssistant:", "{}{eos}\n", "System: {}{eos}\n"),
    "empty": _Wording("{}", "{}"),
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3": _GEMMA,
    "llama2": _Wording("{bos}[INST] {} [/INST]", "{}{eos}", "<<SYS>>\n{}\n<</SYS>>\n\n", within_user=True),
    "llama3": _Wording(
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "{}<|eot_id|>",
        "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>",
        "{bos}",
    ),
    "ministral": _Wording("[INST]{}[/INST]", "{}{eos}", "{}\n\n", "{bos}", within_user=True),
    "mistral": _Wording("[INST] {}[/INST]", " {}{eos}", "{}\n\n", "{bos}", within_user=True),
    "phi": _Wording("<|user|>\n{}<|end|>\n<|assistant|>\n", "{}<|end|>\n", "<|system|>\n{}<|end|>\n"),
    "phi4": _Wording(
        "<|im_start|>user<|im_sep|>{}<|im_end|><|im_start|>assistant<|im_sep|>",
        "{}<|im_end|>",
        "<|im_start|>system<|im_sep|>{}<|im_end|>",
    ),
    "phi4_mini": _Wording("<|user|>{}<|end|><|assistant|>", "{}<|end|>", "<|system|>{}<|end|>"),
    "qwen": replace(_CHATML, usual_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    "qwen3": _CHATML,
    "qwen3_nothink": _CHATML,
    "smollm": _CHATML,
    "yi": _CHATML,
    "zephyr": _Wording(
        "<|user|>\n{}{eos}<|assistant|>\n",
        "{}{eos}",
        "<|system|>\n{}{eos}",
        usual_system="You are Zephyr, a helpful assistant.",
    ),
}


def written_there(template: str, turns: Sequence[tuple[str, str]], *, bos: str, eos: str) -> str | None:
    """The text of a conversation as LLaMA-Factory writes it; None for a template that is not known here.

    Args:
        turns: role and content; `system` may come first, then `user` and `assistant` in turn.
    """
    if template not in _WORDINGS:
        return None
    wording = _with_tokens(_WORDINGS[template], bos, eos)
    said = next((content for role, content in turns if role == "system"), wording.usual_system)
    system = _around(wording.system, said) if said else ""
    text = wording.prefix + ("" if wording.within_user else system)
    first = True
    for role, content in turns:
        if role == "user":
            text += _around(wording.user, (system if first and wording.within_user else "") + content)
            first = False
        elif role == "assistant":
            text += _around(wording.answer, content)
    return text


def _with_tokens(wording: _Wording, bos: str, eos: str) -> _Wording:
    slots = {
        name: getattr(wording, name).replace("{bos}", bos).replace("{eos}", eos)
        for name in ("user", "answer", "system", "prefix")
    }
    return replace(wording, **slots)


def _around(slot: str, content: str) -> str:
    """A content in its slot; what the content itself holds is left alone."""
    before, _, after = slot.partition("{}")
    return f"{before}{content}{after}"
