"""What an answer should not hold: the instruction again, a refusal, the remains of a web page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kamerton.data.rows import Row

__all__ = ["BOILERPLATE", "REFUSAL", "Phrases", "Place", "answers_of", "likely_signs", "repeats_prompt"]

_BEGINNING = 400
"""Characters of an answer in which a refusal stands."""
_SHORTEST = 12
"""Characters of an instruction from which its repetition is no accident."""

_WORDS = re.compile(r"\w+")
_LABEL = re.compile(r"(?:#+ *)?(?:instruction|question|prompt|user|pytanie|polecenie|instrukcja)\W", re.IGNORECASE)
_LABELLED = "IPQUipqu"
"""Letters with which a label begins."""
_FENCED = re.compile("```.*?(?:```|\\Z)", re.DOTALL)

_I_CANNOT = r"i(?: (?:can(?:'t|not| not)|won't|will not|must decline|have to decline)|(?: am|'m) (?:unable|not able))"
_NOT = r"\b[^\n.!?]{0,100}?(?:n't|\b(?:not|cannot|unable|no|nie|odm[óo]w\w+)\b)"
"""In the same sentence; who only says what it is does not decline."""
_REFUSALS = "|".join(
    (
        r"(?:as|i(?:'m| am)(?: just| only)?) (?:an ai|an? artificial intelligence|an? (?:large )?language model)"
        rf"{_NOT}",
        r"i(?:(?:'m| am) (?:very |so |truly )?(?:sorry|afraid)| apologi[sz]e)\W+(?:but )?(?:that )?"
        rf"(?:{_I_CANNOT}|i do(?:n't| not) (?:have|know))",
        rf"{_I_CANNOT} (?:to )?"
        r"(?:help(?! (?:but|it|myself|(?!with)\w*ing)\b)|assist|provide|comply|fulfil|answer|create|generate|"
        r"write|discuss|engage|support)",
        r"i (?:do not|don't) have (?:access to|the ability|personal|real-time|enough information)",
        r"against (?:my|openai'?s?) (?:programming|guidelines|policy|policies)",
        r"my knowledge cut-?off|my last (?:knowledge )?update",
        rf"jako (?:(?:duży )?model (?:językowy|ai)|sztuczna inteligencja|asystent ai|ai|si){_NOT}",
        rf"jestem (?:tylko )?(?:modelem językowym|sztuczną inteligencją|ai){_NOT}",
        r"(?:przykro mi|przepraszam|niestety|wybacz)\W+(?:ale )?(?:ja )?"
        r"nie (?:mog[ęe]|jestem w stanie|potrafi[ęe]|wolno mi)\b",
        r"nie (?:mog[ęe]|jestem w stanie|b(?:ędę|ede) m[óo]g[łl]) (?:ci |panu |pani |w tym )?"
        r"(?:pom[óo]c|udzieli[ćc]|odpowiedzie[ćc]|spe[łl]ni[ćc]|wygenerowa[ćc]|napisa[ćc]|poda[ćc]|tego zrobi[ćc])",
        r"nie mam (?:dost[ęe]pu do|mo[żz]liwo[śs]ci|osobistych)|musz[ęe] odm[óo]wi[ćc]",
    )
)
_REFUSAL = re.compile(rf"\b(?:{_REFUSALS})")
# One of these stands in each of the patterns above; a longer one is sooner found not to be there.
_REFUSAL_SIGNS = (
    *("an ai", "language model", "artificial intel", "i can't", "i cannot", "i can not", "won't", "i will not"),
    *("decline", "unable", "not able", "do not have", "don't have", "not know", "n't know"),
    *("against ", "my knowledge cut", "my last ", "model język", "modelem język", "model ai", "sztuczn"),
    *("asystent ai", "jako ai", "jako si", "jestem ai", "tylko ai", "nie mog", "w stanie", "nie potrafi", "nie wolno"),
    *("nie będę m", "nie bede m", "nie mam dost", "nie mam mo", "nie mam osobist", " odmówi", " odmowi"),
)

_BOILERPLATE = re.compile(
    "|".join(
        (
            r"regenerate response|copy code|chatgpt can make mistakes",
            r"was this (?:answer|response|page|article) helpful",
            "contentreference\\[oaicite|oaicite:|\u3010\\d+(?::\\d+)?\u2020|turn0(?:search|view|news)\\d+|utm_source=chatgpt",
            r"(?:uses|używa|wykorzystuje|korzysta z) (?:pliki |plików )?(?:cookies?|ciasteczek|ciasteczka)\b",
            r"accept (?:all )?cookies|zaakceptuj (?:wszystkie )?(?:pliki )?cookie",
            r"(?:subscribe to|sign up for) our newsletter|zapisz się do (?:naszego )?newslettera",
            r"all rights reserved|wszelkie prawa zastrzeżone",
            r"skip to (?:main )?content|przejdź do treści|enable javascript|włącz javascript",
            r"share (?:this )?on (?:facebook|twitter|x|linkedin)\b|udostępnij na (?:facebooku|twitterze|x)\b",
            r"^\W*(?:copied|skopiowano|read more|czytaj (?:więcej|dalej|także)|advertisement|reklama)\W*$",
            r"&nbsp;|&quot;|&#0?39;|<br ?/?>$",
        )
    ),
    re.MULTILINE,
)
_BOILERPLATE_SIGNS = (
    *("regenerate response", "copy code", "chatgpt", " helpful", "oaicite", "\u2020", "turn0", "cookie", "ciastecz"),
    *("our newsletter", "newslettera", "all rights reserved", "prawa zastrzeżone", "skip to ", "przejdź do treści"),
    *("javascript", "share on ", "share this on ", "udostępnij na ", "copied", "skopiowano", "read more", "czytaj "),
    *("advertisement", "reklama", "&", "<br"),
)


@dataclass(frozen=True)
class Place:
    """Where something stands in an answer."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Phrases:
    """What some phrases look like in lower case, and signs of which one stands in each of them.

    To look for a sign with `in` is many times faster than to look for a pattern, and faster still in many answers at
    once.
    """

    pattern: re.Pattern[str]
    signs: tuple[str, ...]
    beginning: int | None = None
    """Characters of an answer that are looked at; None for all."""
    code: bool = True
    """Whether fenced code is looked at."""
    plain: bool = True
    """Whether plain texts are looked at."""

    def signs_in(self, lowered: str) -> list[str]:
        """The signs that stand in a text of lower case."""
        return [sign for sign in self.signs if sign in lowered]

    def find(self, answers: Iterable[str], signs: Sequence[str]) -> Place | None:
        """The first phrase of the answers that holds one of the signs."""
        for answer in answers:
            lowered = _lowered(answer[: self.beginning])
            if not any(map(lowered.__contains__, signs)):
                continue
            prose = lowered if self.code else _FENCED.sub(lambda code: " " * len(code[0]), lowered)
            if found := self.pattern.search(prose):
                return Place(answer, *found.span())
        return None


def likely_signs(answers: Sequence[str], kinds: Iterable[Phrases]) -> list[list[str]]:
    """For each kind the signs that stand in any of the answers."""
    whole = _lowered("\n".join(answers))
    long = max(map(len, answers), default=0)
    return [
        kind.signs_in(
            whole
            if kind.beginning is None or long <= kind.beginning
            else _lowered("\n".join([answer[: kind.beginning] for answer in answers]))
        )
        for kind in kinds
    ]


REFUSAL = Phrases(_REFUSAL, _REFUSAL_SIGNS, beginning=_BEGINNING, plain=False)
BOILERPLATE = Phrases(_BOILERPLATE, _BOILERPLATE_SIGNS, code=False)


def repeats_prompt(row: Row, answer: str) -> str | None:
    """`answer_is_prompt` or `repeated_prompt`; None if the answer says something of its own from the start.

    Case, punctuation and a label ("Question:") in front do not count. An instruction of fewer than 12 characters must
    be the whole answer.
    """
    if row.messages is None or not (prompt := row.prompt):
        return None
    question, answer = prompt[-1]["content"].strip(), answer.strip()
    if not question or not answer:
        return None
    first = question[0] + answer[0]
    if first.isascii() and first.isalnum() and first[0].lower() != first[1].lower() and first[1] not in _LABELLED:
        return None  # as nearly always
    if question == answer:
        return "answer_is_prompt"
    label = _LABEL.match(answer)
    beginning = answer[label.end() :] if label else answer
    # The instruction with the text that it is about, or alone.
    parts = (part for part in {question, question.partition("\n\n")[0]} if len(part) >= _SHORTEST)
    return "repeated_prompt" if any(_begins(beginning, part) for part in parts) else None


def _begins(answer: str, question: str) -> bool:
    """Whether the answer's first words are those of the question, and its sentence does not go on from them."""
    place, words = 0, _WORDS.finditer(answer)
    for asked in _WORDS.finditer(question):
        word = next(words, None)
        if word is None or word[0].casefold() != asked[0].casefold():
            return False
        place = word.end()
    return place > 0 and not (question[-1].isalnum() and answer[place:].lstrip(" \t")[:1].isalnum())


def _lowered(text: str) -> str:
    """In lower case, as many characters as before: a Turkish I with a dot would become two."""
    lowered = text.replace("\u2019", "'").lower()
    return lowered if len(lowered) == len(text) else text.replace("\u2019", "'").replace("\u0130", "i").lower()


def answers_of(row: Row) -> list[str]:
    """The text; or what the assistant says, of judged answers the best."""
    if row.text is not None:
        return [row.text]
    said = [message["content"] for message in row.messages or () if message["role"] == "assistant"]
    return [*said, row.ranked[0]["content"]] if row.ranked else said
