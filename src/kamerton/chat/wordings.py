"""Templates of text around contents, as LLaMA-Factory 0.9.5 (arXiv 2403.13372) names and writes them.

A base without a chat template was often tuned under one of these; `NAMED` holds each as the Jinja of a tokenizer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["WORDINGS", "Wording"]


@dataclass(frozen=True)
class Wording:
    """The text around contents; `{bos}` and `{eos}` are the tokenizer's tokens, `{}` is a content."""

    user: str
    opening: str = ""
    """Where an answer begins: what generation is given last."""
    answer: str = "{}{eos}"
    system: str = "{}"
    prefix: str = ""
    usual_system: str = ""
    """The system turn of conversations that have none."""
    within_user: bool = False
    """The system turn stands inside the first user turn."""
    thought: bool = False
    """An answer without a thought begins with an empty one, which is learned."""
    tokens: tuple[str, ...] = ()
    """What must be special tokens of the vocabulary; all other marks are text."""

    @property
    def jinja(self) -> str:
        """The template; tools and their turns are not written by it, and a role that it does not know is refused."""
        system = _written(self.system, "said")
        first = f"({system} if said and loop.first else '')"
        user = _written(self.user, f"({first} ~ content)" if self.within_user else "content")
        thought = f"{_EMPTY_THOUGHT} ~ " if self.thought else ""
        before = "" if self.within_user else f"{{% if said %}}{{{{ {system} }}}}{{% endif %}}"
        # A system turn that no user turn takes up would be lost.
        lost = "loop.first and said" if self.within_user else "false"
        return (
            "{% set own = messages and messages[0]['role'] == 'system' %}"
            f"{{% set said = (messages[0]['content'] if own else '') or {json.dumps(self.usual_system)} %}}"
            f"{{{{ {_written(self.prefix)} }}}}{before}"
            "{% for message in (messages[1:] if own else messages) %}{% set content = message['content'] %}"
            f"{{% if message['role'] == 'user' %}}{{{{ {user} }}}}"
            f"{{% elif message['role'] == 'assistant' and not ({lost}) %}}"
            f"{{{{ {_written(self.opening)} ~ {thought}{_written(self.answer, 'content')} }}}}"
            "{% else %}{{ raise_exception('there is no place for a turn of the role ' ~ message['role']) }}{% endif %}"
            f"{{% endfor %}}{{% if add_generation_prompt %}}{{{{ {_written(self.opening)} }}}}{{% endif %}}"
        )


_EMPTY_THOUGHT: Final = (
    "('' if '<think>' in content or '</think>' in content else " + json.dumps("<think>\n\n</think>\n\n") + ")"
)


def _written(slot: str, content: str = "") -> str:
    """A slot as an expression of Jinja; what the content itself holds is left alone."""
    filled = {"{}": content, "{bos}": "(bos_token or '')", "{eos}": "(eos_token or '')"}
    pieces = [piece for piece in re.split(r"(\{\}|\{bos\}|\{eos\})", slot) if piece]
    return " ~ ".join(filled.get(piece) or json.dumps(piece) for piece in pieces) or "''"


_CHATML: Final = Wording(
    "<|im_start|>user\n{}<|im_end|>\n",
    "<|im_start|>assistant\n",
    "{}<|im_end|>\n",
    "<|im_start|>system\n{}<|im_end|>\n",
    tokens=("<|im_start|>", "<|im_end|>"),
)
_GEMMA: Final = Wording(
    "<start_of_turn>user\n{}<end_of_turn>\n",
    "<start_of_turn>model\n",
    "{}<end_of_turn>\n",
    "{}\n\n",
    "{bos}",
    within_user=True,
    tokens=("<start_of_turn>", "<end_of_turn>"),
)
_BAR: Final = "\uff5c"
"""DeepSeek's tokens are written with a full-width bar."""
_DEEPSEEK: Final = Wording(
    f"<{_BAR}User{_BAR}>{{}}",
    f"<{_BAR}Assistant{_BAR}>",
    prefix="{bos}",
    tokens=(f"<{_BAR}User{_BAR}>", f"<{_BAR}Assistant{_BAR}>"),
)
_PHI: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")

WORDINGS: Final = {
    "alpaca": Wording(
        "### Instruction:\n{}\n\n",
        "### Response:\n",
        "{}{eos}\n\n",
        usual_system="Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n",
    ),
    "deepseek": Wording("User: {}\n\n", "Assistant:", system="{}\n\n", prefix="{bos}"),
    "deepseek3": _DEEPSEEK,
    "deepseekr1": replace(_DEEPSEEK, thought=True),
    "default": Wording("Human: {}{eos}\n", "Assistant:", "{}{eos}\n", "System: {}{eos}\n"),
    "empty": Wording("{}", answer="{}"),
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3": _GEMMA,
    "llama2": Wording("{bos}[INST] {} [/INST]", system="<<SYS>>\n{}\n<</SYS>>\n\n", within_user=True),
    "llama3": Wording(
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "{}<|eot_id|>",
        "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>",
        "{bos}",
        tokens=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "ministral": Wording("[INST]{}[/INST]", system="{}\n\n", prefix="{bos}", within_user=True),
    "mistral": Wording("[INST] {}[/INST]", answer=" {}{eos}", system="{}\n\n", prefix="{bos}", within_user=True),
    "phi": Wording("<|user|>\n{}<|end|>\n", "<|assistant|>\n", "{}<|end|>\n", "<|system|>\n{}<|end|>\n", tokens=_PHI),
    "phi4": Wording(
        "<|im_start|>user<|im_sep|>{}<|im_end|>",
        "<|im_start|>assistant<|im_sep|>",
        "{}<|im_end|>",
        "<|im_start|>system<|im_sep|>{}<|im_end|>",
        tokens=("<|im_start|>", "<|im_sep|>", "<|im_end|>"),
    ),
    "phi4_mini": Wording("<|user|>{}<|end|>", "<|assistant|>", "{}<|end|>", "<|system|>{}<|end|>", tokens=_PHI),
    "qwen": replace(_CHATML, usual_system="You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    "qwen3": replace(_CHATML, thought=True),
    "zephyr": Wording(
        "<|user|>\n{}{eos}",
        "<|assistant|>\n",
        system="<|system|>\n{}{eos}",
        usual_system="You are Zephyr, a helpful assistant.",
    ),
}
"""By LLaMA-Factory's names; of chatml and what is the same as it, `templates` has a form that writes tools too."""
