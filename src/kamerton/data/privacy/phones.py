"""Telephone numbers: international, Polish, North American and British forms, and any after a word such as `tel.`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain

from kamerton.data.privacy.labels import label_before
from kamerton.data.privacy.spans import Span

__all__ = ["country_code", "find_phones"]

_SEPARATOR = r"[ \u00a0\u202f.\-–]"
_FREE = r"(?<![\w+])(?<![0-9][ \u00a0.,\-/:])"
_LAST = r"(?![\w])(?!,[0-9]{1,2}(?![0-9]))(?![.\-/:][0-9])"

_PLUS = re.compile(r"(?<![\w+])\(?\+ ?[0-9]{1,3}(?:[ \u00a0.\-–/()]{0,2}[0-9]){6,13}(?![0-9])")
_ZERO_ZERO = re.compile(rf"{_FREE}00[ -]?[1-9](?:[ \u00a0.\-–/()]{{0,2}}[0-9]){{8,13}}{_LAST}")
_POLISH_MOBILE = r"(?:45|5[01237]|6[069]|7[2389]|88)[0-9]"
_MOBILE = re.compile(rf"{_FREE}(?:(?:0|48)[ -])?{_POLISH_MOBILE}({_SEPARATOR})[0-9]{{3}}\1[0-9]{{3}}{_LAST}(?!\1[0-9])")
# One of several in a row: only after a word such as `tel.`.
_LISTED = re.compile(rf"(?<![\w+]){_POLISH_MOBILE}([ -])[0-9]{{3}}\1[0-9]{{3}}(?!\w)")
# Area codes of the Polish numbering plan.
_AREA = r"(?:1[2-8]|2[2-59]|3[2-4]|4[1-48]|5[24-689]|6[1-358]|7[14-7]|8[1-79]|9[145])"
_LANDLINE = re.compile(
    rf"{_FREE}(?:\((?:0[ -]?)?{_AREA}\) ?|(?:0[ -])?{_AREA}[ \u00a0/-])"
    rf"[0-9]{{3}}[ \u00a0-][0-9]{{2}}[ \u00a0-][0-9]{{2}}{_LAST}"
    rf"|(?<!\w)\((?:0[ -]?)?{_AREA}\) ?[0-9]{{7}}{_LAST}"
)
_NANP = re.compile(
    rf"{_FREE}(?:1[-. ])?(?:\([2-9][0-9]{{2}}\)[ -]?|[2-9][0-9]{{2}}[-.])[2-9][0-9]{{2}}[-.][0-9]{{4}}{_LAST}"
)
_BRITISH = re.compile(
    rf"{_FREE}(?:07[0-9]{{3}} (?:[0-9]{{6}}|[0-9]{{3}} [0-9]{{3}})"
    rf"|\(?0[12][0-9]{{1,3}}\)? [0-9]{{3,4}} [0-9]{{4}}){_LAST}"
)
_ANY = rf"(?:{_SEPARATOR}|[/()])"
_LABELLED = re.compile(
    rf"(?<![\w+])[0-9]{{9}}(?!\w)"
    rf"|{_FREE}(?<![0-9]\))(?<![0-9]\) )\(?[0-9](?:{_ANY}{{0,2}}[0-9]){{6,11}}{_LAST}(?!{_ANY}{{1,2}}[0-9])"
)

# A local number does not begin with 0, none with 00, and no area with 999; 99 is no month of a PESEL.
_NOBODYS = re.compile(r"00|0[0-9]{6,8}\Z|999[0-9]{7}\Z|[0-9]{2}99[0-9]{7}\Z")

_COUNTRY = re.compile(
    r"1|7|2(?:[07]|[1-689][0-9])|3(?:[0-469]|[578][0-9])|4(?:[013-9]|2[0-9])|5(?:[1-8]|[09][0-9])|6(?:[0-6]|[7-9][0-9])"
    r"|8(?:[1246]|[0578][0-9])|9(?:[0-58]|[679][0-9])"
)
"""Country codes of ITU-T E.164: none begins another."""
_LENGTHS = {
    "48": (9, 9),
    "1": (10, 10),
    "44": (9, 10),
    "33": (9, 9),
    "420": (9, 9),
    "421": (9, 9),
    "380": (9, 9),
    "62": (8, 12),
}

_AMOUNT_AFTER = re.compile(
    r"\s?(?:[$€£%‰°]|(?:z[lł]|PLN|EUR|USD|GBP|CHF|km|kg|cm|mm|ton\w*|mln|mld|mi?lion\w*|bilion\w*|tys|szt\w*|os[oó]b\w*"
    r"|mieszka\w*|ludzi|people|inhabitants|dollars?|euros?|units?|users?|years?|lat|rows?|tokens?|bytes?|votes?|g[lł]os\w*"
    r"|copies|egzemplarz\w*|wierszy|rekord\w*|records?|zapyta\w*|views?|wy[sś]wietle\w*|streams?|hektar\w*|ha|m2|m²|pounds?"
    r"|residents|parameters|parametr\w*|subscribers|subskrybent\w*|downloads|pobra\w*|kWh|MWh|light|times|razy|akcj\w*|shares?|udzia[lł]\w*)(?!\w))",
    re.IGNORECASE,
)
_AMOUNT_BEFORE = re.compile(r"(?:[$€£]|(?:PLN|EUR|USD|GBP|z[lł]))\s?\Z")
_DATES = re.compile(
    r"\(?(?:(?:19|20)[0-9]{2}[./-][01]?[0-9][./-][0-3]?[0-9].*|[0-3]?[0-9][./-][01]?[0-9][./-](?:19|20)[0-9]{2}.*"
    r"|[12][0-9]{3} ?[-–/. ] ?[12][0-9]{3})"
)
# Ofcom's and NANPA's numbers for drama, and the ones that everybody types.
_INVENTED = re.compile(
    r"(?:1?[2-9][0-9]{2}55501[0-9]{2}|(?:44)?0?(?:2079460[0-9]{3}|7700900[0-9]{3}|1632960[0-9]{3}|1[0-9]{2}4960[0-9]{3})"
    r"|(?:48)?(?:123456789|111222333|(\d)\1{8})|1234567|0?1234567890?|12345678)"
)


def find_phones(text: str, begin: int = 0, end: int = sys.maxsize) -> Iterator[Span]:
    """Telephone numbers: international, Polish, North American and British forms, and any after a word such as `tel.`.

    Not found: amounts (`600 100 200 zł`), dates, numbers with another label, and the numbers that are kept for drama.
    """
    for found in _PLUS.finditer(text, begin, end):
        # `+ 48 ...` is a sum unless it is called a telephone.
        if "+ " not in found[0][:3] or label_before(text, found.start()) == "phone":
            yield from _international(text, found, skip=0)
    for found in _ZERO_ZERO.finditer(text, begin, end):
        yield from _international(text, found, skip=2)
    for pattern in (_MOBILE, _LANDLINE, _NANP, _BRITISH):
        for found in pattern.finditer(text, begin, end):
            round_number = pattern is _MOBILE and found[0].endswith("000")
            label = label_before(text, found.start())
            if label == "phone" or not (label in ("other", "regon", "nip") or round_number):
                yield from _unless_amount(text, found)
    for found in chain(_LISTED.finditer(text, begin, end), _LABELLED.finditer(text, begin, end)):
        digits = _digits(found[0])
        if (
            not _NOBODYS.match(digits)
            and label_before(text, found.start()) == "phone"
            and not _DATES.fullmatch(found[0])
        ):
            yield from _unless_amount(text, found)


def country_code(digits: str) -> str:
    """The country code (ITU-T E.164) that the digits begin with; empty for none."""
    found = _COUNTRY.match(digits)
    return found[0] if found else ""


def _international(text: str, found: re.Match[str], skip: int) -> Iterator[Span]:
    """The number with as many digits as its country has; more that follow after a space belong to something else."""
    shown = found[0].replace("(0)", "   ")
    places = [place for place, letter in enumerate(shown) if letter.isdigit()][skip:]
    whole = "".join(shown[place] for place in places)
    country = country_code(whole)
    least, most = _LENGTHS.get(country, (7, 11))
    national = whole[len(country) :][:most]
    if not country or len(national) < least or (national[0] == "0" and country != "39") or national.startswith("00"):
        return
    end = places[len(country) + len(national) - 1] + 1
    longer = shown[end : end + 1].isdigit()
    invented = _INVENTED.fullmatch(country + national) or _INVENTED.fullmatch(national)
    if not (longer or invented or _AMOUNT_AFTER.match(text, found.start() + end)):
        # `(+48) 600 100 200` begins at the bracket, `(+48 600 100 200)` behind it.
        begin = int(found[0][0] == "(" and ")" not in found[0][:end])
        yield Span("phone", found.start() + begin, found.start() + end, found[0][begin:end])


def _unless_amount(text: str, found: re.Match[str]) -> Iterator[Span]:
    start, end = found.span()
    shown = found[0]
    if shown.startswith("(") and ")" not in shown:
        start, shown = start + 1, shown[1:]
    amount = _AMOUNT_AFTER.match(text, end) or _AMOUNT_BEFORE.search(text, max(0, start - 5), start)
    if not amount and not _INVENTED.fullmatch(_digits(shown)):
        yield Span("phone", start, end, shown)


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)
