"""Generate and chat: try a model."""

from __future__ import annotations

from kamerton.chat import Message
from kamerton.chat.generation import Generation
from kamerton.flows.models import find_model, open_model
from kamerton.ground.settings import Workspace

__all__ = ["Conversation", "generate"]


class Conversation:
    """A conversation with one loaded model; answers are greedy."""

    def __init__(
        self, model: str, workspace: Workspace | None = None, *, template: str = "tokenizer", system: str = ""
    ):
        place = workspace or Workspace.at()
        self._generator = open_model(find_model(model, place), place, template=template)
        self.messages: list[Message] = [{"role": "system", "content": system}] if system else []

    def ask(self, text: str, max_new_tokens: int = 256) -> Generation:
        """The model's next answer; both turns are kept."""
        self.messages.append({"role": "user", "content": text})
        answer = self._generator.generate([self.messages], max_new_tokens)[0]
        self.messages.append({"role": "assistant", "content": answer.text})
        return answer


def generate(
    model: str,
    prompt: str,
    workspace: Workspace | None = None,
    *,
    max_new_tokens: int = 256,
    template: str = "tokenizer",
    raw: bool = False,
) -> Generation:
    """One answer; with `raw` the prompt is a text to go on with, no conversation."""
    place = workspace or Workspace.at()
    if raw:
        generator = open_model(find_model(model, place), place, template=template)
        return generator.complete(prompt, max_new_tokens)
    return Conversation(model, place, template=template).ask(prompt, max_new_tokens)
