"""What can be said of an answer by its text: one definition for metrics and for rewards."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["has_form", "label_of", "same_answer"]


def same_answer(answer: str, reference: str) -> bool:
    """Whether two answers are equal, but for white space and the way that letters are composed.

    Surrounding space is cut, runs of white space (line ends too) become one space, and both are brought to Unicode
    NFC, in which `ą` is one letter however it was typed. Case and punctuation count.
    """
    return _normal(answer) == _normal(reference)


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def has_form(pattern: str, answer: str) -> bool:
    """Whether the whole answer, without surrounding space, matches a regular expression.

    `.` does not match a line end, and `^` and `$` stand for the ends of the answer: a form of several lines writes
    its line ends out, or switches with `(?s)` or `(?m)`.
    """
    return re.fullmatch(pattern, answer.strip()) is not None


def label_of(pattern: str, text: str) -> str:
    """The first group of the first match, `^` and `$` standing for line ends too; empty where there is none.

    Space around the label does not count; upper and lower case do.
    """
    match = re.search(pattern, text, re.MULTILINE)
    return (match.group(1) or "").strip() if match else ""
