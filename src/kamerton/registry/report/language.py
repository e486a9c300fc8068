"""The two languages of reports: gettext catalogues, and the ways to write numbers.

English is the language of the message ids. `say`, `say_n` and `mark` are what the catalogues are made from; see
`kamerton/locale/README.md`.
"""

from __future__ import annotations

import gettext
from datetime import UTC, datetime
from pathlib import Path

from kamerton.ground.errors import RequestError
from kamerton.ground.shares import bounded

__all__ = ["DOMAIN", "EM_DASH", "LANGUAGES", "LOCALE", "NO_BREAK", "Language", "mark"]

DOMAIN = "kamerton"
LANGUAGES = ("en", "pl")
LOCALE = Path(__file__).parents[2] / "locale"

NO_BREAK = "\u00a0"
MINUS = "\u2212"
EM_DASH = "\u2014"


def mark(text: str) -> str:
    """The text itself; marks it for the catalogues where it is translated later."""
    return text


_MONTHS = (
    mark("January"),
    mark("February"),
    mark("March"),
    mark("April"),
    mark("May"),
    mark("June"),
    mark("July"),
    mark("August"),
    mark("September"),
    mark("October"),
    mark("November"),
    mark("December"),
)


class Language:
    """Sentences, numbers and dates in one language."""

    def __init__(self, code: str) -> None:
        """
        Raises:
            RequestError: there is no such language.
        """
        if code not in LANGUAGES:
            raise RequestError(f"no report language {code!r}", expected=" or ".join(LANGUAGES))
        self.code = code
        self._catalogue = gettext.translation(DOMAIN, str(LOCALE), languages=[code])

    def say(self, text: str, **values: object) -> str:
        """The text in this language, its `{names}` filled in; values are put in as they are."""
        translated = self._catalogue.gettext(text)
        return translated.format(**values) if values else translated

    def say_n(self, one: str, many: str, count: int, **values: object) -> str:
        """The form that goes with a count; `{count}` is the count itself."""
        return self._catalogue.ngettext(one, many, count).format(count=self.count(count), **values)

    def number(self, value: float | None, digits: int = 2, *, signed: bool = False) -> str:
        """A number with a fixed count of decimals; a dash for None."""
        if value is None:
            return EM_DASH
        # + 0.0 turns a negative zero, which rounding may leave, into zero.
        rounded = round(value, digits) + 0.0
        text = f"{abs(rounded):,.{digits}f}"
        if self.code == "pl":
            # Polish sets four digits without a space.
            separator = NO_BREAK if abs(rounded) >= 10_000 else ""
            text = text.replace(",", separator).replace(".", ",")
        sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
        return sign + text

    def count(self, value: int) -> str:
        """A whole number."""
        return self.number(value, 0)

    def significant(self, value: float | None, digits: int = 3) -> str:
        """A number with at most so many significant digits; very small ones with a power of ten."""
        if value is None:
            return EM_DASH
        if value == 0:
            return "0"
        exponent = int(f"{abs(value):e}".rpartition("e")[2])
        if exponent < -4:
            mantissa = self._shortest(float(f"{value:.{digits - 1}e}".partition("e")[0]), digits - 1)
            return f"{mantissa}{NO_BREAK}×{NO_BREAK}10{_superscript(exponent)}"
        return self._shortest(value, max(0, digits - 1 - exponent))

    def _shortest(self, value: float, digits: int) -> str:
        """The number without zeros at the end of its decimals."""
        while digits and round(value, digits) == round(value, digits - 1):
            digits -= 1
        return self.number(value, digits)

    def percent(self, share: float | None, digits: int = 1, *, signed: bool = False) -> str:
        """A share as a percentage: 0.894 is 89.4% in English and 89,4 % in Polish."""
        if share is None:
            return EM_DASH
        return self.say("{number}%", number=self.number(100 * share, digits, signed=signed))

    def share(self, share: float | None, digits: int = 2) -> str:
        """A percentage that never says none of some or all of most: `<0.01%`, `>99.99%`."""
        relation = "" if share is None else bounded(share, digits)
        if not relation:
            return self.percent(share, digits)
        step = 10.0 ** -(digits + 2)
        return relation + self.percent(step if relation == "<" else 1 - step, digits)

    def level(self, confidence: float) -> str:
        """A confidence level: 0.95 is 95%, 0.975 is 97.5%."""
        return self.percent(confidence, 0 if round(100 * confidence, 6).is_integer() else 1)

    def p_value(self, p: float | None) -> str:
        """`p = 0.013`, or `p < 0.001`; a dash for None."""
        if p is None:
            return EM_DASH
        relation = f"<{NO_BREAK}{self.number(0.001, 3)}" if p < 0.001 else f"={NO_BREAK}{self.number(p, 3)}"
        return f"p{NO_BREAK}{relation}"

    def duration(self, seconds: float) -> str:
        """Seconds as people say them: 8.4 s, 3 min 12 s, 2 h 5 min."""
        if seconds < 60:
            return f"{self.number(seconds, 1)}{NO_BREAK}s"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s"
        hours, minutes = divmod(minutes, 60)
        return f"{self.count(hours)}{NO_BREAK}h {minutes}{NO_BREAK}min"

    def moment(self, stamp: str) -> str:
        """An ISO 8601 time in UTC: 22 November 2026, 06:33 UTC; anything else as it is."""
        try:
            time = datetime.fromisoformat(stamp)
        except ValueError:
            return stamp
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        month = self.say(_MONTHS[time.month - 1])
        return f"{time.day}{NO_BREAK}{month} {time.year}, {time:%H:%M}{NO_BREAK}UTC"


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
