"""Precision and recall of the privacy step on the labelled set, and its speed.

python benchmarks/privacy.py            # the held-out half, and rows/s
python benchmarks/privacy.py dev -v     # the half by which the patterns were written, with every fault

A labelled place is found when one find of its kind covers it whole. A find is right when it touches a labelled place of
its kind. Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import string
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from stdnum import ean, iban, luhn
from stdnum.pl import nip, pesel, regon

from kamerton.data.privacy import Span, find, find_all
from kamerton.stats import wilson_interval

SET = Path(__file__).with_name("privacy_set")
_SLOT = re.compile(r"\[\[(!?)(\w+)(?:\|(.*?))?\]\](?!\])")


class Example(NamedTuple):
    """One text with what is private in it: (kind, start, end)."""

    language: str
    text: str
    places: list[tuple[str, int, int]]


class Measure(NamedTuple):
    """Counts of one kind."""

    labelled: int
    covered: int
    finds: int
    right: int

    @property
    def recall(self) -> float | None:
        return self.covered / self.labelled if self.labelled else None

    @property
    def precision(self) -> float | None:
        return self.right / self.finds if self.finds else None


def examples(half: str) -> list[Example]:
    """The texts of `dev` or `held_out` with values in their slots."""
    lines = (SET / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [_filled(json.loads(line), Random(f"{half} {number}")) for number, line in enumerate(lines, 1)]


def measure(half: list[Example]) -> dict[str, Measure]:
    """Counts per kind, and over all kinds under `all`."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in half:
        spans = find(example.text)
        for kind, start, end in example.places:
            hit = any(span.kind == kind and span.start <= start and end <= span.end for span in spans)
            for name in (kind, "all"):
                counts[name].update(labelled=1, covered=hit)
        for span in spans:
            right = _right(span, example)
            for name in (span.kind, "all"):
                counts[name].update(finds=1, right=right)
    names = ("labelled", "covered", "finds", "right")
    return {kind: Measure(*(counts[kind][name] for name in names)) for kind in sorted(counts)}


def faults(half: list[Example]) -> list[str]:
    """Every place that was not covered and every find that is wrong."""
    told = []
    for example in half:
        spans = find(example.text)
        for kind, start, end in example.places:
            if not any(span.kind == kind and span.start <= start and end <= span.end for span in spans):
                told.append(f"missed {kind} {example.text[start:end]!r} in {example.text!r}: {spans}")
        told += [f"wrong {span.kind} {span.text!r} in {example.text!r}" for span in spans if not _right(span, example)]
    return told


def _right(span: Span, example: Example) -> bool:
    return any(kind == span.kind and span.start < end and start < span.end for kind, start, end in example.places)


def _filled(line: dict[str, str], random: Random) -> Example:
    text, places, done = "", [], 0
    for slot in _SLOT.finditer(line["text"]):
        text += line["text"][done : slot.start()]
        harmless, name, given = slot.groups()
        kind, value = (name, given) if given else _VALUES[name](random)
        if not harmless:
            places.append((kind, len(text), len(text) + len(value)))
        text, done = text + value, slot.end()
    return Example(line["language"], text + line["text"][done:], places)


# --- what is drawn ----------------------------------------------------------------------------------------------


def _digits(random: Random, count: int, first: str = "123456789") -> str:
    return random.choice(first) + "".join(random.choices(string.digits, k=count - 1))


def _letters(random: Random, count: int, letters: str = string.ascii_letters + string.digits) -> str:
    while True:
        drawn = "".join(random.choices(letters, k=count))
        if re.search(r"[0-9]", drawn) and re.search(r"[A-Za-z]", drawn):
            return drawn


def _grouped(number: str, sizes: str, mark: str = " ") -> str:
    parts, place = [], 0
    for size in map(int, sizes):
        parts.append(number[place : place + size])
        place += size
    return mark.join(part for part in [*parts, number[place:]] if part)


def _pesel(random: Random) -> str:
    year = random.randrange(1935, 2012)
    month = random.randrange(1, 13) + (20 if year >= 2000 else 0)
    body = f"{year % 100:02d}{month:02d}{random.randrange(1, 29):02d}{random.randrange(10000):04d}"
    return body + pesel.calc_check_digit(body)


def _until(draw: Callable[[], str], accept: Callable[[str], bool]) -> str:
    while not accept(value := draw()):
        pass
    return value


def _nip(random: Random) -> str:
    return _until(lambda: _digits(random, 10), nip.is_valid)


def _regon(random: Random) -> str:
    body = _digits(random, 8)
    return body + regon.calc_check_digit(body)


def _iban(random: Random, country: str, bban: str) -> str:
    drawn = "".join(random.choice(string.digits) if letter == "0" else letter for letter in bban)
    return country + iban.calc_check_digits(f"{country}00{drawn}") + drawn


def _polish_iban(random: Random) -> str:
    return _iban(random, "PL", "10" + "0" * 22)


def _card(random: Random, begin: str = "", length: int = 16) -> str:
    begin = begin or random.choice(["4", "4", "51", "52", "53", "54", "55"])
    body = begin + "".join(random.choices(string.digits, k=length - 1 - len(begin)))
    return body + luhn.calc_check_digit(body)


def _mobile(random: Random) -> str:
    return random.choice(("50", "51", "53", "57", "60", "66", "69", "72", "73", "78", "79", "88")) + _digits(
        random, 7, string.digits[1:]
    )


def _landline(random: Random) -> str:
    return random.choice(("12", "22", "32", "42", "58", "61", "71", "81", "85", "91")) + _digits(random, 7)


def _american(random: Random) -> str:
    area = random.choice(("212", "312", "415", "503", "617", "702", "808", "914"))
    return area + _digits(random, 3, "234678") + _digits(random, 4)


def _person(random: Random) -> str:
    names = (
        "anna.kowal",
        "m.nowicka",
        "j_wrona",
        "ola1987",
        "biuro",
        "p.zielinski",
        "kontakt-sklep",
        "tomasz.b",
        "k.lis",
        "marta",
        "mark.hill",
        "susan_p",
    )
    hosts = (
        "poczta.pl",
        "firma-lipa.com.pl",
        "gmail.com",
        "wp.pl",
        "uczelnia.edu.pl",
        "hill-partners.co.uk",
        "mailbox.org",
        "studio.io",
    )
    return f"{random.choice(names)}{random.randrange(100)}@{random.choice(hosts)}"


def _pem(random: Random) -> str:
    body = "\n".join(_letters(random, 64, string.ascii_letters + string.digits + "+/") for _ in range(6))
    sort = random.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    return f"-----BEGIN {sort}-----\n{body}\n-----END {sort}-----"


def _wrong(random: Random, draw: Callable[[Random], str]) -> str:
    number = draw(random)
    return number[:-1] + str((int(number[-1]) + random.randrange(1, 10)) % 10)


_URL_SAFE = string.ascii_letters + string.digits + "_-"
_HEX = "0123456789abcdef"
_BASE64 = string.ascii_letters + string.digits + "+/"

_VALUES: dict[str, Callable[[Random], tuple[str, str]]] = {
    "pesel": lambda r: ("pesel", _pesel(r)),
    "pesel_spaced": lambda r: ("pesel", _grouped(_pesel(r), "222")),
    "pesel_hyphen": lambda r: ("pesel", _grouped(_pesel(r), "6", "-")),
    "nip": lambda r: ("nip", _nip(r)),
    "nip_dashed": lambda r: ("nip", _grouped(_nip(r), r.choice(["332", "322"]), "-")),
    "nip_spaced": lambda r: ("nip", _grouped(_nip(r), "332")),
    "nip_pl": lambda r: ("nip", "PL" + _nip(r)),
    "regon": lambda r: ("regon", _regon(r)),
    "regon14": lambda r: ("regon", _until(lambda: _regon(r) + _digits(r, 5, "0"), regon.is_valid)),
    "iban_pl": lambda r: ("iban", _polish_iban(r)),
    "iban_pl_spaced": lambda r: ("iban", _grouped(_polish_iban(r), "444444")),
    "iban_de": lambda r: ("iban", _iban(r, "DE", "0" * 18)),
    "iban_fr": lambda r: ("iban", _grouped(_iban(r, "FR", "0" * 23), "444444")),
    "iban_nl": lambda r: ("iban", _iban(r, "NL", "TRIO" + "0" * 10)),
    "iban_gb": lambda r: ("iban", _iban(r, "GB", "MIDL" + "0" * 14)),
    "iban_gb_spaced": lambda r: ("iban", _grouped(_iban(r, "GB", "MIDL" + "0" * 14), "44444")),
    "nrb": lambda r: ("iban", _polish_iban(r)[2:]),
    "nrb_spaced": lambda r: ("iban", _grouped(_polish_iban(r)[2:], "244444")),
    "card": lambda r: ("card", _card(r)),
    "card_spaced": lambda r: ("card", _grouped(_card(r), "444")),
    "card_dashed": lambda r: ("card", _grouped(_card(r), "444", "-")),
    "amex": lambda r: ("card", _grouped(_card(r, "37", 15), "46")),
    "email": lambda r: ("email", _person(r)),
    "email_upper": lambda r: ("email", _person(r).upper()),
    "email_sub": lambda r: ("email", "s." + _person(r).replace("@", "+list@mail.")),
    "email_at": lambda r: ("email", _person(r).replace("@", " (at) ")),
    "email_mailto": lambda r: ("email", _person(r)),
    "phone_raw": lambda r: ("phone", _mobile(r)),
    "phone_spaced": lambda r: ("phone", _grouped(_mobile(r), "33")),
    "phone_dashed": lambda r: ("phone", _grouped(_mobile(r), "33", "-")),
    "phone_dots": lambda r: ("phone", _grouped(_mobile(r), "33", ".")),
    "phone_intl": lambda r: ("phone", "+48 " + _grouped(_mobile(r), "33")),
    "phone_intl_raw": lambda r: ("phone", "+48" + _mobile(r)),
    "phone_zero_zero": lambda r: ("phone", "0048 " + _grouped(_mobile(r), "33")),
    "landline": lambda r: ("phone", _grouped(_landline(r), "232")),
    "landline_paren": lambda r: ("phone", "({}) {}".format(*_grouped(_landline(r), "232").split(" ", 1))),
    "landline_area_dash": lambda r: ("phone", _grouped(_landline(r), "232", "-")),
    "phone_us": lambda r: ("phone", _grouped(_american(r), "33", "-")),
    "phone_us_dots": lambda r: ("phone", _grouped(_american(r), "33", ".")),
    "phone_us_spaced": lambda r: ("phone", _grouped(_american(r), "33")),
    "phone_us_paren": lambda r: ("phone", "({}) {}-{}".format(*_grouped(_american(r), "33").split())),
    "phone_us_intl": lambda r: ("phone", "+1 " + _grouped(_american(r), "33", "-")),
    "phone_us_tollfree": lambda r: ("phone", "1-800-" + _grouped(_digits(r, 7, "2346789"), "3", "-")),
    "phone_uk": lambda r: ("phone", "0161 " + _grouped(_digits(r, 7, "2356789"), "3")),
    "phone_uk_mobile": lambda r: ("phone", "07" + _grouped(_digits(r, 9, "45689"), "3")),
    "phone_uk_intl": lambda r: ("phone", "+44 20 " + _grouped(_digits(r, 8, "38"), "4")),
    "phone_uk_freephone": lambda r: ("phone", "0800 " + _grouped(_digits(r, 6), "3")),
    "phone_de": lambda r: ("phone", "+49 30 " + _digits(r, 7)),
    "phone_fr": lambda r: ("phone", "+33 4 " + _grouped(_digits(r, 8), "222")),
    "aws": lambda r: ("api_key", "AKIA" + _letters(r, 16, string.ascii_uppercase + "234567")),
    "awssecret": lambda r: ("api_key", _letters(r, 40, _BASE64)),
    "github": lambda r: ("api_key", "ghp_" + _letters(r, 36)),
    "github_pat": lambda r: ("api_key", f"github_pat_{_letters(r, 22)}_{_letters(r, 59)}"),
    "gitlab": lambda r: ("api_key", "glpat-" + _letters(r, 20, _URL_SAFE)),
    "slack": lambda r: ("token", f"xoxb-{_digits(r, 12)}-{_digits(r, 12)}-{_letters(r, 24)}"),
    "openai": lambda r: ("api_key", "sk-proj-" + _letters(r, 48, _URL_SAFE) + "A"),
    "anthropic": lambda r: ("api_key", "sk-ant-api03-" + _letters(r, 80, _URL_SAFE) + "AA"),
    "google": lambda r: ("api_key", "AIza" + _letters(r, 35, _URL_SAFE)),
    "hf": lambda r: ("api_key", "hf_" + _letters(r, 34)),
    "stripe": lambda r: ("api_key", "sk_live_" + _letters(r, 24)),
    "npm": lambda r: ("api_key", "npm_" + _letters(r, 36)),
    "sendgrid": lambda r: ("api_key", f"SG.{_letters(r, 22)}.{_letters(r, 43)}"),
    "telegram": lambda r: ("token", f"{_digits(r, 9)}:AA{_letters(r, 33)}"),
    "bearer": lambda r: ("token", _letters(r, 40)),
    "jwt": lambda r: ("token", f"eyJ{_letters(r, 33)}.eyJ{_letters(r, 60)}.{_letters(r, 43, _URL_SAFE)}"),
    "hexkey": lambda r: ("api_key", _letters(r, 32, _HEX)),
    "hextoken": lambda r: ("token", _letters(r, 32, _HEX)),
    "pem": lambda r: ("private_key", _pem(r)),
    "pesel_wrong": lambda r: ("", _wrong(r, _pesel)),
    "iban_wrong": lambda r: ("", _wrong(r, _polish_iban)),
    "card_wrong": lambda r: ("", _wrong(r, _card)),
    "long_number": lambda r: ("", _digits(r, 2) + "9" + _digits(r, 8)),
    "order": lambda r: ("", f"ZAM/{_digits(r, 8)}/{_digits(r, 2)}"),
    "order10": lambda r: ("", _digits(r, 10)),
    "order16": lambda r: ("", _digits(r, 16)),
    "nine": lambda r: ("", _digits(r, 9)),
    "krs": lambda r: ("", "0000" + _digits(r, 6)),
    "timestamp": lambda r: ("", "17" + _digits(r, 8)),
    "tracking": lambda r: ("", "00" + _digits(r, 18)),
    "imei": lambda r: ("", _card(r, "35", 15)),
    "isbn": lambda r: ("", (body := "97883" + _digits(r, 7)) + ean.calc_check_digit(body)),
    "isbn_dashed": lambda r: ("", _grouped("978" + _digits(r, 10), "3262", "-")),
    "ean": lambda r: ("", (body := "590" + _digits(r, 9)) + ean.calc_check_digit(body)),
    "sha": lambda r: ("", _letters(r, 40, _HEX)),
    "sha256": lambda r: ("", _letters(r, 64, _HEX)),
    "md5": lambda r: ("", _letters(r, 32, _HEX)),
    "uuid": lambda r: ("", str(uuid.UUID(int=r.getrandbits(128), version=4))),
    "base64": lambda r: ("", base64.b64encode(r.randbytes(600)).decode()),
}


def _speed(rows: int) -> str:
    """Rows a second on one core, over texts of about 500 characters that are private as often as the set's."""
    pool = [example.text for half in ("dev", "held_out") for example in examples(half)]
    plain = [text for text in pool if not find(text)]
    random = Random(1)
    texts = []
    for number in range(rows):
        text = random.choice(pool) if number % 10 == 0 else ""
        while len(text) < 500:
            text += " " + random.choice(plain)
        texts.append(text[:500])
    start = time.process_time()
    find_all(texts)
    taken = time.process_time() - start
    return f"{rows} texts of 500 characters in {taken:.1f} s of CPU: {rows / taken:,.0f} rows/s"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("half", nargs="?", default="held_out", choices=["dev", "held_out"])
    parser.add_argument("-v", "--verbose", action="store_true", help="tell every fault")
    parser.add_argument("--rows", type=int, default=0, help="measure the speed too, on so many rows")
    given = parser.parse_args()
    half = examples(given.half)
    print(f"{given.half}: {len(half)} texts")
    print(f"{'kind':<12} {'n':>4} {'recall':>24} {'finds':>6} {'precision':>24}")
    for kind, counts in measure(half).items():
        recall, precision = _share(counts.covered, counts.labelled), _share(counts.right, counts.finds)
        print(f"{kind:<12} {counts.labelled:>4} {recall:>24} {counts.finds:>6} {precision:>24}")
    if given.verbose:
        print(*faults(half), sep="\n")
    if given.rows:
        print(_speed(given.rows))


def _share(hits: int, n: int) -> str:
    interval = wilson_interval(hits / n, n) if n else None
    return f"{hits / n:.3f} [{interval.low:.3f}, {interval.high:.3f}]" if interval else "-"


if __name__ == "__main__":
    main()
