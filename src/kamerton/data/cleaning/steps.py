"""The steps that look at a row by itself, in their order, as a batch function."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from kamerton.data.cleaning.answers import BOILERPLATE, REFUSAL, Phrases, answers_of, likely_signs, repeats_prompt
from kamerton.data.cleaning.characters import (
    may_hold_controls,
    may_hold_template,
    may_hold_unicode,
    mend_controls,
    mend_template,
    mend_unicode,
    mend_whitespace,
)
from kamerton.data.cleaning.encoding import LOST, may_hold_mojibake, mend_mojibake
from kamerton.data.cleaning.language import speaks
from kamerton.data.rows import Row
from kamerton.recipe import CleanSection

__all__ = ["STEPS", "Action", "Hit", "actions", "excerpt", "look"]

Action = Literal["report", "fix", "drop"]

_AROUND = 40
"""Characters of an example on either side of the place."""


_HUGE = 100_000
"""Characters of an answer that are worth a look where no bound is set."""
_TOGETHER = 64
"""Rows of which the texts are asked together, as one, whether a step can find anything: most can in few of them."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What one step found in one row."""

    step: str
    kind: str
    """Kind of the finding."""
    message: str
    action: Action
    before: str
    after: str | None = None


@dataclass(frozen=True)
class _Mending:
    """A step that can mend each text of a row."""

    kind: str
    may_hold: Callable[[str], bool]
    """Whether a text may hold what is mended; false for texts joined by line feeds only if it is for each of them."""
    mend: Callable[[str], str]
    what: Callable[[str, str], str]
    """What is wrong, of a text and its mended form."""


def _at(before: str, after: str) -> int:
    """Where two texts begin to differ."""
    same, differs = 0, min(len(before), len(after)) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        if before.startswith(after[same:middle], same):
            same = middle
        else:
            differs = middle
    return same


def excerpt(text: str, start: int, stop: int) -> str:
    """The text from start to stop with a little around it."""
    first, last = max(0, start - _AROUND), min(len(text), stop + _AROUND)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def _clipped(before: str, after: str) -> tuple[str, str]:
    """Both texts around the first change."""
    start = _at(before, after)
    end = _at(before[start:][::-1], after[start:][::-1])
    # Where much was changed, its beginning.
    return tuple(  # type: ignore[return-value]
        excerpt(text, start, max(start, min(len(text) - end, start + _AROUND))) for text in (before, after)
    )


def _name(letter: str) -> str:
    return f"U+{ord(letter):04X}" + (f" {name}" if (name := unicodedata.name(letter, "")) else "")


def _wrong_encoding(before: str, after: str) -> str:
    start = _at(before, after)
    return f"decoded with the wrong encoding at character {start + 1}: {before[start : start + 12]!r}"


def _control(before: str, after: str) -> str:
    start = _at(before, after)
    return f"a control character {_name(before[start])} at character {start + 1}"


def _whitespace(before: str, after: str) -> str:
    if not after:
        return "nothing but space"
    start = _at(before, after)
    if start == len(after):
        return f"{len(before) - start} characters of space at the end"
    letter = before[start]
    if letter in " \t\n":
        return f"space at {'the beginning' if not start else f'character {start + 1}'} that nothing shows"
    return f"{_name(letter)} at character {start + 1}"


def _composed(before: str, after: str) -> str:
    start = _at(before, after)
    return f"{after[start : start + 1]!r} at character {start + 1} is written in parts, or in another form (not NFC)"


def _injected(before: str, after: str) -> str:
    # The removal may begin with space in front of the token.
    start = _at(before, after)
    while start < len(before) - 1 and before[start].isspace():
        start += 1
    return f"a control token of a chat template at character {start + 1}: {before[start : start + 20]!r}"


_MENDINGS = {
    "mojibake": _Mending("mojibake", may_hold_mojibake, mend_mojibake, _wrong_encoding),
    "control_characters": _Mending("control_character", may_hold_controls, mend_controls, _control),
    "whitespace": _Mending("whitespace", bool, mend_whitespace, _whitespace),
    "template_injection": _Mending("template_injection", may_hold_template, mend_template, _injected),
    "unicode": _Mending("not_nfc", may_hold_unicode, mend_unicode, _composed),
}
"""Each leaves nothing for those before it: mojibake holds control characters and odd spaces, a token may hide behind a
zero-width space, and what is taken out may bring a letter and an accent together."""

_PHRASES: dict[str, tuple[Phrases, str, str]] = {
    "refusals": (REFUSAL, "refusal", "the answer declines"),
    "boilerplate": (BOILERPLATE, "boilerplate", "a remain of a page or a tool"),
}
"""What each looks for, and the kind and the words of its finding."""

STEPS = (
    *_MENDINGS,
    *("lost_letters", "empty", "length", "repeated_prompt", "refusals", "boilerplate", "language"),
    *("max_tokens", "exact_duplicates", "near_duplicates"),
)
"""All steps in their order; the last three look at the whole set."""


def actions(options: CleanSection) -> dict[str, Action]:
    """The steps that are on, in their order, and what each does."""
    bounded = options.min_answer_chars > 1 or options.max_answer_chars is not None
    drops: dict[str, bool] = {
        "empty": options.min_answer_chars > 0,
        "language": bool(options.language),
        "max_tokens": options.max_tokens is not None,
    }
    chosen: dict[str, Action] = {}
    for name in STEPS:
        if name == "lost_letters" or (name == "length" and not bounded):
            chosen[name] = "report"
        elif name == "length" or drops.get(name):
            chosen[name] = "drop"
        elif name not in drops and (action := getattr(options, name)) != "off":
            chosen[name] = action
    return chosen


def look(rows: Sequence[Row], options: CleanSection) -> list[tuple[Row | None, list[Hit]] | None]:
    """What the steps find in each row.

    Returns:
        For each row None where nothing was found; or the mended row (None if it stays as it is) and what was found,
        last of all that for which it is set aside.
    """
    steps = _Look(options)
    return [found for start in range(0, len(rows), _TOGETHER) for found in steps.rows(rows[start : start + _TOGETHER])]


_Step = tuple[str, _Mending, Action]


@dataclass(frozen=True)
class _Likely:
    """What can be found at all in some rows."""

    mendings: list[_Step]
    lost: bool
    signs: dict[str, Sequence[str]]
    """For each step that looks for phrases, those of its signs that are there."""


class _Look:
    """The steps that are on, ready to look at rows."""

    def __init__(self, options: CleanSection) -> None:
        self._options = options
        self._on = actions(options)
        self._mendings = [(name, step, self._on[name]) for name, step in _MENDINGS.items() if name in self._on]
        self._phrases = {name: phrases for name, (phrases, *_) in _PHRASES.items() if name in self._on}
        self._anything = _Likely(self._mendings, True, {name: each.signs for name, each in self._phrases.items()})
        self._other = speaks(options.language) if options.language else None

    def rows(self, rows: Sequence[Row]) -> Iterator[tuple[Row | None, list[Hit]] | None]:
        texts, answers = [row.texts for row in rows], list(map(answers_of, rows))
        together = "\n".join(chain.from_iterable(texts))
        signs = likely_signs([answer for said in answers for answer in said], self._phrases.values())
        likely = _Likely(
            [mending for mending in self._mendings if mending[1].may_hold(together)],
            LOST in together,
            dict(zip(self._phrases, signs, strict=True)),
        )
        for row, said, answered in zip(rows, texts, answers, strict=True):
            yield self._row(row, said, answered, likely)

    def _row(
        self, row: Row, texts: list[str], answers: list[str], likely: _Likely
    ) -> tuple[Row | None, list[Hit]] | None:
        mended, hits = self._mended(row, texts, likely.mendings)
        if mended != texts:
            # What was mended may be for a later step: a wrong encoding hides no-break spaces.
            likely = self._anything
            mended, hits = self._mended(row, texts, likely.mendings)
        if hits and hits[-1].action == "drop":
            return None, hits
        changed = None
        if mended != texts:
            changed = row = _with_texts(row, mended)
            answers = answers_of(row)
        for hit in self._judged(row, mended, answers, likely):
            hits.append(hit)
            if hit.action == "drop":
                break
        return (changed, hits) if hits else None

    def _mended(self, row: Row, texts: list[str], steps: list[_Step]) -> tuple[list[str], list[Hit]]:
        """The texts after some steps, and what these found; after a `drop` the others do not look."""
        hits: list[Hit] = []
        for name, step, action in steps:
            mended = [step.mend(text) for text in texts]
            if mended == texts:
                continue
            hits.append(_mending_hit(row, name, step, action, texts, mended))
            if action == "drop":
                break
            if action == "fix":
                texts = mended
        return texts, hits

    def _judged(self, row: Row, texts: list[str], answers: list[str], likely: _Likely) -> Iterator[Hit]:
        """What is wrong with the whole of a row."""
        if likely.lost:
            yield from _lost(row, texts)
        answer = row.answer
        yield from _sizes(row, answer, self._options)
        if "repeated_prompt" in self._on and (kind := repeats_prompt(row, answer)) is not None:
            how = "repeats the turn before it" if kind == "answer_is_prompt" else "begins by repeating the instruction"
            yield self._judgement("repeated_prompt", kind, f"the answer {how}", excerpt(answer, 0, _AROUND))
        for name in self._phrases:
            phrases, kind, what = _PHRASES[name]
            if not (signs := likely.signs[name]) or (row.text is not None and not phrases.plain):
                continue
            if (found := phrases.find(answers, signs)) is not None:
                quoted = found.text[found.start : found.stop].strip()
                shown = excerpt(found.text, found.start, found.stop)
                yield self._judgement(name, kind, f"{what}: {quoted!r}", shown)
        if self._other is not None and (language := _language(row, self._other)):
            message = f"the answer is in {language}; data.clean.language takes {', '.join(self._options.language)}"
            yield Hit("language", "other_language", message, "drop", excerpt(answer, 0, _AROUND))

    def _judgement(self, step: str, kind: str, message: str, shown: str) -> Hit:
        action = self._on[step]
        return Hit(step, kind, message + ("; set aside" if action == "drop" else ""), action, shown)


def _mending_hit(row: Row, name: str, step: _Mending, action: Action, texts: list[str], mended: list[str]) -> Hit:
    places = [index for index, text in enumerate(texts) if mended[index] != text]
    before, after = texts[places[0]], mended[places[0]]
    message = _turn(row, places[0]) + step.what(before, after)
    if len(places) > 1:
        message += f"; and in {len(places) - 1} more turns"
    message += {"report": "", "fix": "; mended", "drop": "; set aside"}[action]
    return Hit(name, step.kind, message, action, *_clipped(before, after))


def _turn(row: Row, index: int) -> str:
    """Which text of a row, where it has more than two."""
    turns = len(row.messages or ())
    if index >= turns and row.messages is not None:
        return f"answer {index - turns + 1}: "
    return f"turn {index + 1}: " if turns > 2 else ""


def _lost(row: Row, texts: list[str]) -> Iterator[Hit]:
    for index, text in enumerate(texts):
        if LOST in text:
            place = text.index(LOST)
            message = f"{_turn(row, index)}U+FFFD at character {place + 1}: a letter was lost when the text was decoded"
            yield Hit("lost_letters", "replacement_character", message, "report", excerpt(text, place, place + 1))
            return


def _sizes(row: Row, answer: str, options: CleanSection) -> Iterator[Hit]:
    if row.messages is not None and (prompt := row.prompt) and not prompt[-1]["content"].strip():
        yield Hit(
            "empty", "empty_prompt", "the turn before the answer is empty; expected a question or a task", "drop", ""
        )
        return
    length = len(answer.strip())
    noun = "answer" if row.messages is not None else "text"
    least, most = options.min_answer_chars, options.max_answer_chars
    if not length and least:
        message = f"the {noun} is empty; expected at least one character"
        yield Hit("empty", f"empty_{noun}", message, "drop", answer[:_AROUND])
    elif length < least:
        message = f"the {noun} has {length} characters; data.clean.min_answer_chars is {least}"
        yield Hit("length", f"short_{noun}", message, "drop", answer)
    elif most is not None and length > most:
        message = f"the {noun} has {length} characters; data.clean.max_answer_chars is {most}"
        yield Hit("length", f"long_{noun}", message, "drop", excerpt(answer, 0, _AROUND))
    elif most is None and row.messages is not None and length > _HUGE:
        message = (
            f"the answer has {length} characters, a book rather than an answer; data.clean.max_answer_chars bounds it"
        )
        yield Hit("length", "long_answer", message, "report", excerpt(answer, 0, _AROUND))


def _language(row: Row, other: Callable[[str], str | None]) -> str | None:
    """The unwanted language of the answer; the question helps where that is too short to tell."""
    answer = row.answer
    return other(answer if len(answer) >= 2 * _AROUND else f"{answer}\n{row.question}")


def _with_texts(row: Row, texts: list[str]) -> Row:
    """The row with other texts in the place of `row.texts`."""
    if row.messages is None:
        return replace(row, text=texts[0])
    turns = len(row.messages)
    messages, ranked = (
        tuple({**message, "content": text} for message, text in zip(given, new, strict=True))
        for given, new in ((row.messages, texts[:turns]), (row.ranked, texts[turns:]))
    )
    return replace(row, messages=messages, ranked=ranked)  # type: ignore[arg-type]
