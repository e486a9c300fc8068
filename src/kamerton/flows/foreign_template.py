"""The chat template of a run that a LLaMA-Factory file asks for, and how its text differs from LLaMA-Factory's."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kamerton.chat import NAMED, Message
from kamerton.chat.messages import Role
from kamerton.ground.settings import Workspace
from kamerton.models.locate import brings_template
from kamerton.recipe import Recipe, RecipeSource

__all__ = ["settle_template", "template_difference"]

_KEY: Final = "model.chat_template"
_PROBES: Final[tuple[tuple[tuple[Role, str], ...], ...]] = (
    (("user", "Who?"), ("assistant", "I.")),
    (("system", "Be brief."), ("user", "Who?"), ("assistant", "I."), ("user", "Why?"), ("assistant", "So.")),
)
_SHOWN: Final = 40


def settle_template(source: RecipeSource, workspace: Workspace) -> RecipeSource:
    """A LLaMA-Factory file's recipe with the template that fits the base: the tokenizer's own, else that of the file.

    Like LLaMA-Factory, it takes `empty` where neither has one. A template that is not known here is left to whoever
    needs it, and so is a base that cannot be read.
    """
    translation, model = source.translation, source.recipe.model
    if translation is None or _KEY not in translation.written or _KEY in source.flags:
        return source
    name = translation.template or "empty"
    open_to_us = model.chat_template == "tokenizer" and model.base is not None and name in NAMED
    if not open_to_us or brings_template(model.base or "", workspace.root) is not False:
        return source
    document = source.recipe.model_dump(mode="json")
    document["model"]["chat_template"] = name
    why = f"the tokenizer of {model.base} brings no chat template: {name} is written, as LLaMA-Factory writes it"
    return replace(source, recipe=Recipe.model_validate(document), translation=translation.settled(_KEY, why))


def template_difference(template: str, recipe: Recipe, workspace: Workspace) -> str | None:
    """Where the recipe's template and LLaMA-Factory's first differ; empty where they write the same.

    None where LLaMA-Factory's is not known. Space at the end of a conversation is left out of the comparison: nothing
    is learned from it here.

    Raises:
        RecipeError: the base has no tokenizer, or its tokenizer no template, or not the tokens of the recipe's.
    """
    from kamerton.models.locate import locate
    from kamerton.models.tokenizer import chat_format, load_tokenizer

    if recipe.model.base is None or template not in NAMED:
        return None
    tokenizer = load_tokenizer(locate(recipe.model.base, workspace.root).folder)
    ours = chat_format(tokenizer, recipe.model.chat_template, tokenizer.eos_token_id or 0)
    theirs = ours.under(NAMED[template])
    for probe in _PROBES:
        messages = [Message(role=role, content=content) for role, content in probe]
        there, here = theirs.render(messages), ours.render(messages)
        if there.rstrip() != here.rstrip():
            return _parted(there, here)
    return ""


def _parted(there: str, here: str) -> str:
    """Both texts from a little before the first character that differs."""
    same = next((at for at, (a, b) in enumerate(zip(there, here, strict=False)) if a != b), min(len(there), len(here)))
    start = max(same - _SHOWN // 2, 0)
    return f"LLaMA-Factory writes {there[start : start + _SHOWN]!r} where it writes {here[start : start + _SHOWN]!r}"
