"""Postal addresses: a street, square or estate with a house number, a postal code with its town, a post-office box.

A street without a number is no address here; those in `Przykładowa` and `Example Street` are nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kamerton.data.privacy.spans import Span

__all__ = ["find_american_towns", "find_boxes", "find_english", "find_homes", "find_polish", "find_towns"]

# --- Polish -----------------------------------------------------------------------------------------------------

_CAP = r"[A-ZĄĆĘŁŃÓŚŹŻ][\w'’]*(?:-[A-ZĄĆĘŁŃÓŚŹŻ][\w'’]*)*"
_TITLE = r"(?i:gen|ks|św|dr|prof|płk|mjr|kpt|marsz|bp|abp|kard|inż|hr|por|rtm|bł|prez|o)\.\s?"
_MONTH = r"(?:stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia)"
_STREET = (
    rf"(?:[0-9]{{1,4}}(?:-?(?:go|tego|lecia|\.))?[ -]{_MONTH}|(?:[0-9]{{2,4}}|[XVIL]{{1,5}})-?lecia(?: {_CAP}){{0,3}}"
    rf"|(?:[0-9]{{1,3}}(?:-go|\.)? )?(?:{_TITLE}|[A-ZŁŚŻ]\.\s?)*{_CAP}"
    rf"(?:(?: |-)(?:{_TITLE}|[A-ZŁŚŻ]\.|{_CAP}|i|na|w|pod|nad|de|von)){{0,4}})"
)
_HOUSE = (
    r"(?:(?:nr|numer|nr\.) )?[1-9][0-9]{0,3}(?:[a-zA-Z](?!\w)| [A-H](?!\w))?"
    r"(?:\s?[/\\-]\s?[0-9]{1,4}[a-zA-Z]?(?!\w)){0,2}"
    r"(?:,? ?(?:m|lok|lokal|mieszk|mieszkani[ea]|apt)\.? ?(?:nr )?[0-9]{1,4}[a-zA-Z]?)?"
    r"(?!\w)(?![.,:][0-9])"
    # A count of something, not the number of a house.
    r"(?! ?(?:r\.|rok|lat\b|dni\b|mies|tyg|zł|osób|os\.|osoby|km\b|m2|ha\b|%|proc|raz|godz|min|tys|st[.\s]))"
)
_CODE = rf"[0-9][0-9]-[0-9]{{3}},? (?:{_CAP})(?:[ -]{_CAP}){{0,2}}"
_TOWN = rf"(?:,?\s{{1,2}}(?:{_CODE}|(?:{_CAP}[ -]?){{1,3}},? [0-9]{{2}}-[0-9]{{3}}(?![\w-])))?"

# A pattern that begins with a class of letters is sought ten times as fast; what must not stand before comes after it.
_POLISH = re.compile(
    rf"[UuAaOoPpSsRrBb](?:(?<![\w.].)(?:(?<=[Uu])[Ll]\.{{0,2}}|(?<=[Aa])(?<!et [Aa])l\.|(?<=[Oo])(?<![0-9] [Oo])s\."
    rf"|(?<=[Pp])l\.) ?{_STREET} {_HOUSE}{_TOWN}"
    # In hasty writing the street begins with a small letter; only `ul.` means nothing but a street.
    rf"|(?<=[Uu])(?<![\w.].)l\. ?\w[\w-]*(?: (?!(?:w|we|na|do|od|z|ze|o|i|a|po)\b)[\w-]+){{0,3}} {_HOUSE}{_TOWN}"
    rf"|(?<!\w.)(?:(?<=[Uu])lic[aąęyo]|(?<=[Aa])lej(?:[aiąęe]|ach|om)|(?<=[Pp])lac(?:u|em|owi)?"
    rf"|(?<=[Oo])siedl(?:e|u|a|em)|(?<=[Ss])kwer(?:ze|u)?|(?<=[Rr])ond(?:o|zie|a)|(?<=[Bb])ulwar(?:ze|u)?)"
    rf"(?:,? ?przy)? {_STREET} {_HOUSE}{_TOWN})",
    re.DOTALL,
)
_TOWNS = re.compile(rf"[0-9](?<![\w-].){_CODE.removeprefix('[0-9]')}")
_LONGEST_VILLAGE = 80  # characters
_VILLAGE_BEFORE = re.compile(rf"(?<!\w)(?:{_CAP} ){{1,3}}{_HOUSE},?\s{{1,2}}\Z")
_LIVES = re.compile(
    rf"[zZaA](?<!\w.)(?:(?<=[zZ])am(?:\.|ieszka[łl]\w+)|(?<=[aA])dres\w*(?: \w+)?:)(?: we?| pod adresem| przy)?"
    rf" ((?:{_CAP} ){{1,3}}{_HOUSE}{_TOWN})",
    re.DOTALL,
)

# --- English ----------------------------------------------------------------------------------------------------

_TYPE = (
    r"(?:Street|Avenue|Road|Boulevard|Lane|Drive|Court|Terrace|Crescent|Parkway|Highway|Square|Place|Close|Gardens|Grove"
    r"|Mews|Row|Way|Circle|Trail|(?:St|Ave|Av|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Pkwy|Hwy|Cres)\b\.?)"
)
_STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]"
    r"|W[AIVY])"
)
_TOWN_EN = r"[A-Z][a-z'’]+(?:[ -][A-Z][a-z'’]+){0,2}"
_POSTCODE = r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}\b"
_UNIT = r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)\.? ?#?[0-9A-Z]{1,5}\b"
_END = (
    rf"(?:,? {_UNIT})?(?:,?\s{{1,2}}{_TOWN_EN},? (?:{_STATE}|{_TOWN_EN}),? [0-9]{{5}}(?:-[0-9]{{4}})?\b"
    rf"|,?\s{{1,2}}(?:{_TOWN_EN},?\s)?{_POSTCODE})?"
)
_ENGLISH = re.compile(
    rf"[0-9](?<![\w$€£.,/-][0-9])[0-9]{{0,4}}[A-Za-z]?(?:[-–][0-9]{{1,4}})? "
    r"(?:(?:North|South|East|West|[NSEW]{1,2}\.?) )?"
    rf"(?:(?:(?:[A-Z][\w'’]+|[0-9]{{1,3}}(?:st|nd|rd|th)|[A-Z]\.|St\.|of the|of) ){{1,4}}?{_TYPE}|Broadway)"
    rf"(?!\w|'s|’s)(?: (?:[NSEW]{{1,2}})\b)?{_END}"
)
_US_TOWN = re.compile(rf"\b{_TOWN_EN}, {_STATE},? [0-9]{{5}}(?:-[0-9]{{4}})?\b")
_BOX = re.compile(r"\bP\.? ?O\.? ?[Bb]ox [0-9]{1,6}\b|\b[Ss]kr(?:ytka|\.) poczt(?:owa|\.) (?:nr )?[0-9]{1,5}\b")
_FLAT_BEFORE = re.compile(rf"(?<!\w){_UNIT},? \Z")
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|by|of|until|till|from|during|after|before|the|for|and|early|late|circa|a|at least|over|about)\s\Z",
    re.IGNORECASE,
)
_COUNT_BEFORE = re.compile(r"\b(?:Chapter|Episode|Season|Part|Act|Scene|Route|Level|Figure|Table|No|Number|Top)\.?\s\Z")

# --- both -------------------------------------------------------------------------------------------------------

_INVENTED = re.compile(r"\bPrzykład\w* (?:nr )?[0-9]|[0-9] Example (?:St|Ave|R|Lane)|^00-000")
_PAGES_BEFORE = re.compile(
    r"(?:\b(?:pp?|pages?|str|s|nr|vol|isbn|tel|fax|poz|tab|rys|fig|art|pkt)\.?|[0-9–-])\s*\Z", re.IGNORECASE
)


def find_polish(text: str) -> Iterator[Span]:
    """A street, avenue, square or estate with a house number, and its town where a postal code says so."""
    for found in _POLISH.finditer(text):
        yield from _spans(text, found)


def find_towns(text: str) -> Iterator[Span]:
    """A Polish postal code with its town, and before it the house of a village: `Kowalewo 12, 06-400 Ciechanów`."""
    for found in _TOWNS.finditer(text):
        village = _VILLAGE_BEFORE.search(text, max(0, found.start() - _LONGEST_VILLAGE), found.start())
        start = village.start() if village else found.start()
        if not _PAGES_BEFORE.search(text, max(0, start - 8), start):
            yield from _unless_invented(Span("address", start, found.end(), text[start : found.end()]))


def find_homes(text: str) -> Iterator[Span]:
    """A house of a village after a word such as `zam.` or `adres:`."""
    for found in _LIVES.finditer(text):
        yield from _spans(text, found, 1)


def find_english(text: str) -> Iterator[Span]:
    """A house number and a street in English order, with unit and town where they follow."""
    for found in _ENGLISH.finditer(text):
        if not _counted(text, found):
            start, end = _flat_before(text, found.start()), found.end()
            yield from _unless_invented(Span("address", start, end, text[start:end]))


def find_american_towns(text: str) -> Iterator[Span]:
    """A town with its state and ZIP code."""
    for found in _US_TOWN.finditer(text):
        yield from _spans(text, found)


def find_boxes(text: str) -> Iterator[Span]:
    """A post-office box."""
    for found in _BOX.finditer(text):
        yield from _spans(text, found)


def _counted(text: str, found: re.Match[str]) -> bool:
    """Whether the number before the street is a year or a count: `in 1929 Wall Street fell`."""
    before = max(0, found.start() - 12)
    year = re.match(r"(?:1[5-9]|20)[0-9]{2} ", found[0])
    return bool(
        (year and _YEAR_BEFORE.search(text, before, found.start())) or _COUNT_BEFORE.search(text, before, found.start())
    )


def _flat_before(text: str, start: int) -> int:
    """Where `Flat 3, ` begins that stands before a house number; `start` when none does."""
    found = _FLAT_BEFORE.search(text, max(0, start - 20), start)
    return found.start() if found else start


def _spans(text: str, found: re.Match[str], group: int = 0) -> Iterator[Span]:
    yield from _unless_invented(Span("address", found.start(group), found.end(group), found[group]))


def _unless_invented(span: Span) -> Iterator[Span]:
    if not _INVENTED.search(span.text):
        yield span
