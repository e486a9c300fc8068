"""A question said in other words by a model: paraphrased, or translated there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kamerton.chat.messages import Message
from kamerton.data.cleaning.language import language_of
from kamerton.ground.errors import RecipeError
from kamerton.recipe import BackTranslation, Paraphrase

__all__ = ["Rewriter", "rewrite"]

Rewriter = Callable[[Sequence[list[Message]], int], list[str]]
"""Answers to prompts, each of at most so many tokens, in the order of the prompts."""

_PARAPHRASE = {
    "pl": "Napisz poniższy tekst innymi słowami, po polsku. Zachowaj sens, nazwy i liczby. "
    "Podaj tylko nowy tekst.\n\n{text}",
    "en": "Write the text below in other words, in the same language. Keep its meaning, names and numbers. "
    "Give the new text alone.\n\n{text}",
}
_TRANSLATE = "Translate the text below from {source} to {target}. Keep names and numbers. Give the translation alone."
_NAMES = {"pl": "Polish", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "uk": "Ukrainian"}

_QUOTES = (('"', '"'), ("„", "”"), ("“", "”"), ("«", "»"))


def rewrite(texts: Sequence[str], step: Paraphrase | BackTranslation, rewriter: Rewriter) -> list[list[str]]:
    """`step.copies` rewritings of each text.

    A model answers greedily: the later copies are rewritings of the former ones, and so differ more and more.

    Raises:
        RecipeError: an instruction without `{text}`.
    """
    copies: list[list[str]] = [[] for _ in texts]
    current = list(texts)
    for _ in range(step.copies):
        if isinstance(step, Paraphrase):
            current = _paraphrased(current, step, rewriter)
        else:
            current = _translated_back(current, step, rewriter)
        for made, text in zip(copies, current, strict=True):
            made.append(text)
    return copies


def _paraphrased(texts: Sequence[str], step: Paraphrase, rewriter: Rewriter) -> list[str]:
    if step.instruction and "{text}" not in step.instruction:
        raise RecipeError(
            "the instruction has no place for the text", where="data.augment.instruction", expected="{text} in it"
        )
    asked = [(step.instruction or _PARAPHRASE[_language(text)]).replace("{text}", text) for text in texts]
    return _answers(asked, step.max_new_tokens, rewriter)


def _translated_back(texts: Sequence[str], step: BackTranslation, rewriter: Rewriter) -> list[str]:
    homes = [_language(text) for text in texts]
    through = [step.through if home != step.through else ("pl" if home == "en" else "en") for home in homes]
    there = _translated(texts, homes, through, step.max_new_tokens, rewriter)
    return _translated(there, through, homes, step.max_new_tokens, rewriter)


def _translated(
    texts: Sequence[str], sources: Sequence[str], targets: Sequence[str], limit: int, rewriter: Rewriter
) -> list[str]:
    asked = [
        _TRANSLATE.format(source=_NAMES.get(source, source), target=_NAMES.get(target, target)) + f"\n\n{text}"
        for text, source, target in zip(texts, sources, targets, strict=True)
    ]
    return _answers(asked, limit, rewriter)


def _answers(asked: Sequence[str], limit: int, rewriter: Rewriter) -> list[str]:
    return [_bare(answer) for answer in rewriter([[{"role": "user", "content": text}] for text in asked], limit)]


def _bare(answer: str) -> str:
    """The answer without the quotation marks that models like to put around it."""
    text = answer.strip()
    for opening, closing in _QUOTES:
        if len(text) > 1 and text.startswith(opening) and text.endswith(closing) and opening not in text[1:-1]:
            return text[1:-1].strip()
    return text


def _language(text: str) -> str:
    """Polish or, for all else, English: the languages that instructions are written in."""
    return "pl" if language_of(text, ("pl", "en")) == "pl" else "en"
