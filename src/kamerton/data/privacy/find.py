"""What personal data and secrets stand in a text: cheap gates first, then the details.

A gate is a look for a short piece in the text's bytes, or in their shape (each letter and digit turned into one that
stands for its class), which costs a tenth of a regular expression; most texts pass none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits
from typing import get_args

from kamerton.data.privacy.addresses import (
    find_american_towns,
    find_boxes,
    find_english,
    find_homes,
    find_polish,
    find_towns,
)
from kamerton.data.privacy.credentials import find_known_keys, find_named_keys, find_passwords, find_url_passwords
from kamerton.data.privacy.emails import find_emails, find_spelt_emails
from kamerton.data.privacy.names import find_names
from kamerton.data.privacy.numbers import find_numbers
from kamerton.data.privacy.phones import find_phones
from kamerton.data.privacy.spans import Span, without_overlaps
from kamerton.recipe.privacy import PrivacyKind

__all__ = ["KINDS", "find", "find_all"]

KINDS: frozenset[PrivacyKind] = frozenset(get_args(PrivacyKind)) - {"name"}
"""All kinds that are found without a model."""


def find(text: str, kinds: Collection[PrivacyKind] = KINDS, *, names_model: str = "") -> list[Span]:
    """The personal data and secrets of one text, in its order, without overlaps.

    Args:
        kinds: what is told; all kinds are looked for, so that an IBAN is no phone when `iban` is not asked for.
        names_model: folder or name of the spaCy model that `name` needs.
    """
    return find_all([text], kinds, names_model=names_model)[0]


def find_all(
    texts: Sequence[str], kinds: Collection[PrivacyKind] = KINDS, *, names_model: str = ""
) -> list[list[Span]]:
    """`find` for many texts; the model of names is loaded once a process."""
    named: Iterator[list[Span]] | None = find_names(texts, names_model) if "name" in kinds else None
    found = []
    for text in texts:
        spans = list(_candidates(text))
        if named:
            spans += next(named)
        found.append([span for span in without_overlaps(spans) if span.kind in kinds] if spans else spans)
    return found


def _classes(of: dict[str, str], otherwise: str = "") -> bytes:
    """A table that turns each byte into the letter of its class, for `bytes.translate`."""
    table = {letter: shown for letters, shown in of.items() for letter in letters}
    return "".join(table.get(chr(byte), otherwise or chr(byte)) for byte in range(256)).encode("latin-1")


_SHAPE = _classes({digits: "0", ascii_uppercase: "A", ascii_lowercase + "".join(map(chr, range(128, 256))): "a"})
_TOKEN = _classes({digits + ascii_letters + "_-+/": "x"}, otherwise=" ")
# What may part the digits of a number: also the bytes of no-break spaces and of the en dash in UTF-8.
_PARTING = b" ().-/\xc2\xa0\xe2\x80\xaf\x93"
_DIGITS = re.compile(r"[0-9](?:[ \u00a0\u202f().\-–/]{0,3}[0-9]){6,}")
_ROOM = 5  # characters beside the digits that belong to a number, or show that they are none
_KEY_WORDS = (b"key", b"secret", b"token", b"bearer", b"basic", b"klucz")
_PASSWORD_WORDS = (b"pass", b"pwd", b"has\xc5", b"haslo", b"haslem")
_STREET_WORDS = (b"l.", b"ul ", b"ulic", b"alej", b"os.", b"osiedl", b"plac", b"rond", b"bulwar", b"skwer")


def _candidates(text: str) -> Iterator[Span]:
    raw = text.encode("utf-8", "surrogatepass")
    small = raw.lower()
    if b"x" * 16 in raw.translate(_TOKEN):
        yield from find_known_keys(text)
        if any(map(small.__contains__, _KEY_WORDS)):
            yield from find_named_keys(text)
    if any(map(small.__contains__, _PASSWORD_WORDS)):
        yield from find_passwords(text)
    if b"@" in raw:
        yield from find_emails(text)
        if b"://" in raw:
            yield from find_url_passwords(text)
    if b"(at" in small or b"[at" in small or b"(ma\xc5" in small or b"[ma\xc5" in small:
        yield from find_spelt_emails(text)
    shape = raw.translate(_SHAPE)
    if b"0" in shape:
        yield from _candidates_with_digits(text, raw, small, shape)


def _candidates_with_digits(text: str, raw: bytes, small: bytes, shape: bytes) -> Iterator[Span]:
    if b"0000000" in raw.translate(_SHAPE, _PARTING):
        for begin, end in _windows(text):
            yield from find_numbers(text, begin, end)
            yield from find_phones(text, begin, end)
    if b"a 0" in shape or b"A 0" in shape:
        if any(map(small.__contains__, _STREET_WORDS)):
            yield from find_polish(text)
        if b"zam." in small or b"zamieszk" in small or b"adres" in small:
            yield from find_homes(text)
    if b"box" in small or b"poczt" in small:
        yield from find_boxes(text)
    if b"00-000" in shape:
        yield from find_towns(text)
    if b"0 A" in shape or b"0A A" in shape or b"0a A" in shape or b"0 0" in shape:
        yield from find_english(text)
    if b"AA 00000" in shape or b"AA, 00000" in shape:
        yield from find_american_towns(text)


def _windows(text: str) -> list[tuple[int, int]]:
    """The pieces of the text that hold seven digits in a row, however grouped, with room for what goes with them."""
    windows: list[tuple[int, int]] = []
    for run in _DIGITS.finditer(text):
        begin, end = max(0, run.start() - _ROOM), run.end() + _ROOM
        if windows and begin <= windows[-1][1]:
            begin, _ = windows.pop()
        windows.append((begin, end))
    return windows
