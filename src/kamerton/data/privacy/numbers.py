"""Numbers that prove themselves by a check digit: PESEL, NIP, REGON, IBAN and payment cards.

The check digits are those of python-stdnum. One random number in 10 or 11 has a right check digit, so a bare NIP,
REGON or card needs more: its usual grouping, its range, or a label before it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache

from stdnum import iban, luhn, numdb
from stdnum.pl import nip, pesel, regon

from kamerton.data.privacy.labels import label_before
from kamerton.data.privacy.spans import Span
from kamerton.recipe.privacy import PrivacyKind

__all__ = ["find_numbers"]

_OPEN = r"(?:(?<![0-9A-Za-z])|(?<=PESEL)|(?<=pesel)|(?<=NIP)|(?<=nip))(?<![0-9][.\-/])"
_SHUT = r"(?![0-9A-Za-z])(?![\-/][0-9])(?![.,][0-9]{1,2}(?![0-9]))"

_PESEL = re.compile(rf"{_OPEN}[0-9](?:[ \u00a0-]?[0-9]){{10}}{_SHUT}")
_PESEL_GROUPS = re.compile(r"[0-9]{2}([ -]?)[0-9]{2}\1[0-9]{2}[ -]?[0-9]{5}")
_NIP = re.compile(rf"{_OPEN}(?:PL[ ]?)?[0-9](?:[ \u00a0-]?[0-9]){{9}}{_SHUT}")
_NIP_GROUPS = re.compile(
    r"PL[ ]?[0-9]{10}|[0-9]{3}([ -])[0-9]{3}\1[0-9]{2}\1[0-9]{2}|[0-9]{3}-[0-9]{2}-[0-9]{2}-[0-9]{3}"
)
_REGON = re.compile(rf"{_OPEN}[0-9](?:[ -]?[0-9]){{8}}(?:(?:[ -]?[0-9]){{5}})?{_SHUT}")
_IBAN = re.compile(r"(?<![0-9A-Za-z])(?:[A-Z]{2}|[a-z]{2})[0-9]{2}(?=[ \u00a0-]?[0-9A-Za-z]{4})")
_NRB = re.compile(rf"{_OPEN}[0-9]{{2}}(?:[ \u00a0-]?[0-9]{{4}}){{6}}{_SHUT}")
_CARD = re.compile(
    rf"{_OPEN}(?:[0-9]{{14,19}}|[0-9]{{4}}([ \u00a0-])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}(?:\1[0-9]{{3}})?"
    rf"|3[0-9]{{3}}([ \u00a0-])[0-9]{{6}}\2[0-9]{{4,5}}){_SHUT}"
)
# Issuer ranges (ISO/IEC 7812) and lengths of the networks that are in use.
_NETWORKS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?|5[1-5][0-9]{14}|222[1-9][0-9]{12}|22[3-9][0-9]{13}|2[3-6][0-9]{14}|27[01][0-9]{13}"
    r"|2720[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2}|2[0-9]{2})[0-9]{12}|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{12}"
)


def find_numbers(text: str, begin: int = 0, end: int = sys.maxsize) -> Iterator[Span]:
    """All numbers with a right check digit; those that a claim is made on twice overlap."""
    yield from _ibans(text, begin, end)
    for found in _CARD.finditer(text, begin, end):
        digits = _digits(found[0])
        if _NETWORKS.fullmatch(digits) and luhn.is_valid(digits) and label_before(text, found.start()) != "other":
            yield _span("card", found)
    for found in _PESEL.finditer(text, begin, end):
        digits = _digits(found[0])
        if _born_in_reach(digits) and pesel.is_valid(digits):
            grouped = _PESEL_GROUPS.fullmatch(found[0])
            if grouped or label_before(text, found.start()) == "pesel":
                yield _span("pesel", found)
    for found in _NIP.finditer(text, begin, end):
        digits = _digits(found[0])
        # No tax office has a number below 101.
        if (
            digits[0] != "0"
            and nip.is_valid(digits)
            and (_NIP_GROUPS.fullmatch(found[0]) or label_before(text, found.start()) == "nip")
        ):
            yield _span("nip", found)
    for found in _REGON.finditer(text, begin, end):
        if label_before(text, found.start()) == "regon":
            digits = _digits(found[0])
            if len(digits) in (9, 14) and regon.is_valid(digits):
                yield _span("regon", found)


def _ibans(text: str, begin: int, end: int) -> Iterator[Span]:
    # In a Maltese or a British IBAN letters stand before the longest run of digits.
    for found in _IBAN.finditer(text, max(0, begin - 20), end):
        if close := _iban_end(text, found.start()):
            yield Span("iban", found.start(), close, text[found.start() : close])
    for found in _NRB.finditer(text, begin, end):
        digits = _digits(found[0])
        if _checked("PL" + digits):
            yield _span("iban", found)


def _iban_end(text: str, start: int) -> int:
    """Where the IBAN that begins at `start` ends, its groups parted by single spaces or hyphens; 0 for none."""
    length = _iban_length(text[start : start + 2].upper())
    compact, place = "", start
    while len(compact) < length and place < len(text):
        letter = text[place]
        if letter.isascii() and letter.isalnum():
            compact += letter
        elif letter not in " \u00a0-" or text[place - 1] in " \u00a0-":
            return 0
        place += 1
    after = text[place : place + 1]
    if not length or (after.isascii() and after.isalnum()):
        return 0
    return place if _checked(compact.upper()) else 0


def _checked(compact: str) -> bool:
    # ISO 13616: check digits run from 02 to 98; mod 97 alone would take 00, 01 and 99 for 97, 98 and 02.
    return "02" <= compact[2:4] <= "98" and iban.is_valid(compact, check_country=False)


@cache
def _iban_length(country: str) -> int:
    """Characters of a country's IBAN (0: the country has none), from the structure such as `8!n16!n`."""
    info = numdb.get("iban").info(country + "00")[0][1]
    lengths = re.findall(r"([0-9]+)!", info.get("bban", ""))
    return 4 + sum(map(int, lengths)) if lengths else 0


def _born_in_reach(digits: str) -> bool:
    """Whether the date is of 1900-2099; months above 32 stand for centuries in which no living person was born."""
    return "01" <= digits[2:4] <= "32"


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _span(kind: PrivacyKind, found: re.Match[str]) -> Span:
    return Span(kind, found.start(), found.end(), found[0])
