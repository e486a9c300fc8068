"""Whether a tokenizer's own template writes what LLaMA-Factory's template of some name writes."""

from __future__ import annotations

from typing import Final

from kamerton.chat import Message
from kamerton.chat.messages import Role
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from kamerton.recipe.llamafactory.wording import written_there

__all__ = ["template_difference"]

_PROBES: Final[tuple[tuple[tuple[Role, str], ...], ...]] = (
    (("user", "Who?"), ("assistant", "I.")),
    (("system", "Be brief."), ("user", "Who?"), ("assistant", "I."), ("user", "Why?"), ("assistant", "So.")),
)
_SHOWN: Final = 40


def template_difference(template: str, recipe: Recipe, workspace: Workspace) -> str | None:
    """Where both templates first differ; empty where they write the same, None where it is not known.

    Space at the end of a conversation is left out of the comparison: nothing is learned from it here.

    Raises:
        RecipeError: the base has no tokenizer, or its tokenizer no template.
    """
    from kamerton.models.load import chat_format, load_tokenizer
    from kamerton.models.locate import locate

    if recipe.model.base is None:
        return None
    tokenizer = load_tokenizer(locate(recipe.model.base, workspace.root).folder)
    ours = chat_format(tokenizer, recipe.model.chat_template, tokenizer.eos_token_id or 0)
    for probe in _PROBES:
        there = written_there(template, probe, bos=tokenizer.bos_token or "", eos=tokenizer.eos_token or "")
        if there is None:
            return None
        here = ours.render([Message(role=role, content=content) for role, content in probe])
        if there.rstrip() != here.rstrip():
            return _parted(there, here)
    return ""


def _parted(there: str, here: str) -> str:
    """Both texts from a little before the first character that differs."""
    same = next((at for at, (a, b) in enumerate(zip(there, here, strict=False)) if a != b), min(len(there), len(here)))
    start = max(same - _SHOWN // 2, 0)
    return f"LLaMA-Factory writes {there[start : start + _SHOWN]!r} where it writes {here[start : start + _SHOWN]!r}"
