"""Invented values: keyed, so that one person has one pseudonym everywhere, and of the form of what they stand for.

None can belong to anybody, and none is found again:

| kind | invented value |
|---|---|
| pesel | month 99, and a wrong check digit |
| nip | begins with 999, which no tax office has, and a wrong check digit |
| regon | begins with 99, which no voivodeship has, and a wrong check digit |
| iban | the country, then check digits 00, which ISO 13616 does not give out |
| card | begins with 000, which no bank's network has, and a wrong check digit |
| email | `user-....@example.com` (RFC 2606) |
| phone | the country code, then a number that begins with 00 |
| address | `ul. Przykładowa 417/23`, `41723 Example Street`, and `00-000 Przykładowo` where there was a postal code |
| name | a given name that ends as the person's (in a or not), and a surname that ends in `-mirzecki`, `-mirzecka` |

Secrets have no pseudonym: they are masked. Two persons can come to share a pseudonym, though rarely: ten million
telephone numbers, a hundred thousand addresses and more than a million of the others can be invented.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from stdnum import luhn
from stdnum.pl import nip, pesel, regon

from kamerton.data.privacy.names import INVENTED_SURNAMES
from kamerton.data.privacy.phones import country_code
from kamerton.data.privacy.spans import Span
from kamerton.recipe.privacy import PrivacyKind

__all__ = ["SECRETS", "mask", "pseudonym"]

SECRETS: frozenset[PrivacyKind] = frozenset(("api_key", "token", "password", "private_key"))

_MEN = (
    *("Adam", "Bartosz", "Cezary", "Dawid", "Edward", "Filip", "Grzegorz", "Henryk"),
    *("Igor", "Jan", "Karol", "Leon", "Marek", "Norbert", "Oskar", "Piotr"),
)
_WOMEN = (
    *("Anna", "Barbara", "Celina", "Dorota", "Ewa", "Felicja", "Grażyna", "Helena"),
    *("Irena", "Joanna", "Karolina", "Lena", "Maria", "Natalia", "Olga", "Paula"),
)
_SYLLABLES = [
    onset + vowel for onset in ("b", "br", "d", "dr", "g", "k", "kl", "l", "m", "n", "p") for vowel in "aeiou"
]
_DIGITS = frozenset("0123456789")
_VALID = {"pesel": pesel.is_valid, "nip": nip.is_valid, "regon": regon.is_valid, "card": luhn.is_valid}
_FIXED = {
    "pesel": {2: "9", 3: "9"},
    "nip": {0: "9", 1: "9", 2: "9"},
    "regon": {0: "9", 1: "9"},
    "iban": {0: "0", 1: "0", 2: "0"},
    "card": {0: "0", 1: "0", 2: "0"},
}
"""Digits by their place that make a number nobody's."""
_ENDINGS = re.compile(r"(?:iego|iej|ego|emu|iemu|ej|im|ym|ą|ę|a|i|e|y|u|ie)\Z")


def mask(span: Span) -> str:
    """What `mask` writes in place of the span: `[PESEL]`."""
    return f"[{span.kind.upper()}]"


def pseudonym(span: Span, key: bytes) -> str:
    """The invented value for a span, or its mask where it is a secret: a function of the kind, the identity, the key.

    Identity leaves out how a value is written: `85 05 01 12345` and `85050112345` are one person, as are two
    spellings of an e-mail in capitals and small letters, or `ul. Długiej 5` and `ul. Długa 5`.
    """
    if span.kind in SECRETS:
        return mask(span)
    drawn = _drawn(f"{span.kind}\n{_identity(span)}".encode("utf-8", "surrogatepass"), key)
    if span.kind == "email":
        return "user-" + _letters(drawn, 10) + "@example.com"
    if span.kind == "name":
        return _name(span, drawn)
    if span.kind == "address":
        return _address(span.text, drawn)
    return _number(span, drawn)


def _drawn(address: bytes, key: bytes) -> Iterator[int]:
    """An endless stream of bytes from HMAC-SHA256 in counter mode."""
    counter = 0
    while True:
        yield from hmac.new(key, address + b"\n%d" % counter, hashlib.sha256).digest()
        counter += 1


def _identity(span: Span) -> str:
    text = (span.identity or span.text).casefold()
    if span.kind == "email":
        return re.sub(
            r"\s",
            "",
            re.sub(
                r"\s?[\[(]\s?(?:dot|kropka)\s?[\])]\s?", ".", re.sub(r"\s?[\[(]\s?(?:at|małpa|@)\s?[\])]\s?", "@", text)
            ),
        )
    if span.kind == "phone":
        return re.sub(r"[^0-9]", "", text.replace("(0)", ""))[-9:]
    if span.kind == "address":
        return _address_identity(text)
    if span.kind == "name":
        return " ".join(text.split())
    compact = re.sub(r"[\W_]", "", text)
    return compact.removeprefix("pl") if span.kind in ("nip", "iban") else compact


def _address_identity(text: str) -> str:
    """Street and number: the endings of Polish cases and the town count for nothing."""
    street = re.split(r",?\s*[0-9]{2}-[0-9]{3}", text)[0] or text
    words = re.findall(r"\w+", street)
    kinds = re.compile(
        r"ul|ulic.|al|alej\w*|pl|plac\w*|os|osiedl\w*|nr|m|lok|street|st|avenue|ave|road|rd|lane|ln|drive|dr"
    )
    return " ".join(_ENDINGS.sub("", word) if len(word) > 3 else word for word in words if not kinds.fullmatch(word))


def _number(span: Span, drawn: Iterator[int]) -> str:
    """Digits are drawn anew where they stand; letters, spaces and hyphens stay."""
    shown = list(span.text)
    places = [place for place, letter in enumerate(shown) if letter in _DIGITS]
    fixed = _fixed_phone(span.text) if span.kind == "phone" else _FIXED[span.kind]
    while True:
        for index, place in enumerate(places):
            if index not in fixed:
                shown[place] = str(next(drawn) % 10)
            elif fixed[index]:
                shown[place] = fixed[index]
        compact = "".join(shown[place] for place in places)
        if span.kind not in _VALID or not _VALID[span.kind](compact):
            return "".join(shown)


def _fixed_phone(text: str) -> dict[int, str]:
    """The digits of the country code, and of `(0)`, stay (an empty text says so); the next two or three are zero."""
    digits = [(letter, place) for place, letter in enumerate(text) if letter in _DIGITS]
    skip = 2 if text.startswith("00") else 0
    code = 0
    if skip or "+" in text[:2]:
        code = skip + len(country_code("".join(letter for letter, _ in digits[skip:])))
    trunk = [index for index, (_, place) in enumerate(digits) if text[place - 1 : place + 2] == "(0)"]
    national = [index for index in range(code, len(digits)) if index not in trunk]
    zeros = national[: 3 if len(national) > 9 else 2]
    return dict.fromkeys([*range(code), *trunk], "") | dict.fromkeys(zeros, "0")


def _letters(drawn: Iterator[int], count: int) -> str:
    return "".join("abcdefghijkmnpqrstuvwxyz23456789"[next(drawn) % 32] for _ in range(count))


def _name(span: Span, drawn: Iterator[int]) -> str:
    words = (span.identity or span.text).split()
    woman = words[0].endswith("a")
    given = (_WOMEN if woman else _MEN)[next(drawn) % 16]
    surname = "".join(_SYLLABLES[next(drawn) % len(_SYLLABLES)] for _ in range(3)).capitalize()
    surname += INVENTED_SURNAMES[woman]
    return f"{given} {surname}" if len(words) > 1 else surname


def _address(text: str, drawn: Iterator[int]) -> str:
    first, second = 1 + (next(drawn) << 8 | next(drawn)) % 999, 1 + next(drawn) % 99
    polish_code = re.search(r"(?<![0-9])[0-9]{2}-[0-9]{3}(?![0-9])", text)
    if (polish_code and polish_code.start() == 0) or not re.search(
        r"[0-9]", text.replace(polish_code[0] if polish_code else "", "")
    ):
        return "00-000 Przykładowo"
    if re.match(r"[^,0-9]+, [A-Z]{2},? [0-9]{5}", text):
        return "Exampletown, XX 00000"
    if re.match(r"[0-9]|P\.? ?O|(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)", text):
        town = ", Exampletown, XX 00000" if re.search(r"[A-Z]{2},? [0-9]{5}", text) else ""
        return f"{first}{second:02d} Example Street{town}"
    town = ", 00-000 Przykładowo" if polish_code else ""
    prefix = re.match(r"(?:ulic|alej|plac|osiedl|skwer|rond|bulwar)\w* |(?:ul|al|os|pl)(?:\. ?| )", text, re.IGNORECASE)
    if not prefix:
        return f"Przykładowo {first}/{second}{town}"
    street = "Przykładowej" if re.search(r"ej (?:nr )?[0-9]", text) else "Przykładowa"
    return f"{prefix[0]}{street} {first}/{second}{town}"
