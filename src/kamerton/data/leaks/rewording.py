"""Leaks as they come about: texts copied with small changes, or said in other words by rule.

The paraphrases are made by rules (synonyms, turns of phrase, clauses and sentences in another order), not by people or
a model: a recall measured on them is that for this kind of paraphrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from kamerton.ground.rng import draw, stream_seed

__all__ = ["altered", "paraphrased", "shuffled_words"]

_EDITED = 12
"""Words of which one is changed in a near copy."""
_POLISH = re.compile(r"[ąćęłńóśźż]|\b(?:jest|czy|jak|się|nie|ile|gdzie|kiedy|oraz|który|przez)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")

_POLISH_PHRASES = {
    "w jaki sposób": "jak",
    "jak": "w jaki sposób",
    "ile wynosi": "jaka jest wysokość",
    "ile": "jak wiele",
    "gdzie": "w którym miejscu",
    "kiedy": "w jakim terminie",
    "dlaczego": "z jakiego powodu",
    "co to jest": "czym jest",
    "kto": "jaka osoba",
    "czy mogę": "czy wolno mi",
    "czy można": "czy dopuszcza się, aby",
    "trzeba": "należy",
    "należy": "trzeba",
    "muszę": "mam obowiązek",
    "chcę": "zamierzam",
    "otrzymać": "dostać",
    "złożyć": "wnieść",
    "wniosek": "podanie",
    "pismo": "list",
    "urząd": "organ",
    "termin": "czas",
    "opłata": "należność",
    "dziecko": "małoletni",
    "dom": "budynek",
    "mieszkanie": "lokal",
    "samochód": "auto",
    "pieniądze": "środki",
    "praca": "zatrudnienie",
    "ponieważ": "gdyż",
    "jeżeli": "jeśli",
    "jeśli": "gdy",
    "oraz": "i",
    "także": "również",
    "bardzo": "niezwykle",
    "dobry": "niezły",
    "duży": "spory",
    "mały": "niewielki",
    "zgłosić": "zawiadomić o",
    "jaki": "który",
    "jest": "pozostaje",
    "podaj": "wskaż",
    "napisz": "ułóż",
    "wyjaśnij": "objaśnij",
    "opisz": "przedstaw",
}
_ENGLISH_PHRASES = {
    "how do i": "what is the way to",
    "how many": "what number of",
    "how much": "what amount of",
    "how": "in what way",
    "what is": "can you tell me what is meant by",
    "what are": "name",
    "why": "for what reason",
    "when": "at what time",
    "where": "in what place",
    "who": "which person",
    "can i": "am i allowed to",
    "must": "has to",
    "need to": "have to",
    "want to": "intend to",
    "get": "obtain",
    "buy": "purchase",
    "buys": "purchases",
    "make": "produce",
    "give": "provide",
    "write": "compose",
    "explain": "describe",
    "describe": "outline",
    "list": "enumerate",
    "big": "large",
    "small": "little",
    "good": "fine",
    "children": "kids",
    "house": "home",
    "car": "vehicle",
    "money": "cash",
    "job": "work",
    "begin": "start",
    "because": "since",
    "if": "in case",
    "also": "too",
    "very": "extremely",
    "many": "numerous",
    "each": "every",
    "total": "overall sum",
    "people": "persons",
    "following": "below",
    "best": "finest",
    "between": "among",
    "about": "concerning",
    "use": "employ",
    "and": "as well as",
    "but": "yet",
    "has": "owns",
}
_PREPOSITIONS = frozenset(
    {"w", "we", "na", "z", "ze", "do", "od", "dla", "po", "przed", "przez", "u", "o"}
    | {"in", "on", "at", "of", "for", "with", "by", "from", "to"}
)
_POLISH_FRAMES = ("Proszę o odpowiedź na pytanie: {}", "{} Z góry dziękuję.", "Mam takie pytanie. {}", "{}")
_ENGLISH_FRAMES = (
    "Please answer this question: {}",
    "{} Thanks in advance.",
    "I would like to know the following. {}",
    "{}",
)


def altered(text: str, *address: int | str) -> str:
    """A near copy: one word in twelve changed, dropped, doubled or swapped with the next; case or accents lost."""
    words = text.split()
    edits: tuple[Callable[[list[str], int], None], ...] = (_change, _drop, _swap, _double)
    for number in range(max(1, len(words) // _EDITED)):
        if len(words) > 1:
            place = stream_seed(*address, "place", number) % (len(words) - 1)
            edits[stream_seed(*address, "edit", number) % len(edits)](words, place)
    copy = " ".join(words)
    forms: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower, _plain)
    return forms[stream_seed(*address, "form") % len(forms)](copy)


def paraphrased(text: str, *address: int | str) -> str:
    """The text in other words, as far as the rules know any."""
    polish = _POLISH.search(text) is not None
    phrases, frames = (_POLISH_PHRASES, _POLISH_FRAMES) if polish else (_ENGLISH_PHRASES, _ENGLISH_FRAMES)
    sentences = [_turned(sentence) for sentence in _SENTENCE.split(text.strip())]
    if len(sentences) > 1:
        shift = 1 + stream_seed(*address, "shift") % (len(sentences) - 1)
        sentences = sentences[shift:] + sentences[:shift]
    reworded = _pattern(polish).sub(lambda found: _like(found[0], phrases[found[0].lower()]), " ".join(sentences))
    return frames[stream_seed(*address, "frame") % len(frames)].replace("{}", reworded)


def shuffled_words(text: str, other: str, *address: int | str) -> str:
    """No leak: half of the words of two texts, in no order."""
    words = [*text.split(), *other.split()]
    order = sorted(range(len(words)), key=lambda index: draw(*address, index))
    return " ".join(words[index] for index in order[: max(1, len(words) // 2)])


def _change(words: list[str], place: int) -> None:
    words[place] = words[place][::-1]


def _drop(words: list[str], place: int) -> None:
    del words[place]


def _swap(words: list[str], place: int) -> None:
    words[place], words[place + 1] = words[place + 1], words[place]


def _double(words: list[str], place: int) -> None:
    words.insert(place, words[place])


def _plain(text: str) -> str:
    """Without the marks above and below letters, as people type on foreign keyboards."""
    text = text.replace("ł", "l").replace("Ł", "L")
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def _turned(sentence: str) -> str:
    """`If A, B?` becomes `B, if A?`, and `Who wrote it in Rome?` becomes `In Rome, who wrote it?`."""
    body, end = (sentence[:-1], sentence[-1]) if sentence[-1:] in (".", "!", "?") else (sentence, "")
    head, comma, tail = body.partition(", ")
    if not (comma and tail):
        words = body.split()
        places = [at for at in range(2, len(words) - 1) if words[at].lower() in _PREPOSITIONS]
        if not places:
            return sentence
        head, tail = " ".join(words[: places[-1]]), " ".join(words[places[-1] :])
    return f"{tail[:1].upper()}{tail[1:]}, {head[:1].lower()}{head[1:]}{end}"


@lru_cache(maxsize=2)
def _pattern(polish: bool) -> re.Pattern[str]:
    phrases = sorted(_POLISH_PHRASES if polish else _ENGLISH_PHRASES, key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b", re.IGNORECASE)


def _like(found: str, phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:] if found[:1].isupper() else phrase
