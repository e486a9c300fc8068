"""Text that was decoded with the wrong encoding, put right.

Three repairs, each of which asks for evidence:

- `ftfy.fix_encoding` (Speer 2019) undoes UTF-8 read as a one-byte encoding; it is asked for nothing but that, so that
  quotes, ligatures and HTML stay as they are. It is called for the lines in which a lead byte and its continuations
  stand in one of its encodings.
- Its heuristic leaves many Polish words alone (`siÄ™`, `moĹĽna`); these are replaced letter by letter.
- Polish in cp1250 or ISO-8859-2 that was read as the other, as Latin-1 or as cp1252 (`³ódka`, `£ódŸ`) is valid text in
  any of them; it is told by characters that stand where no language has them.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["LOST", "may_hold_mojibake", "mend_mojibake"]

LOST = "\ufffd"
"""Stands where a letter was lost when the text was decoded."""

_POLISH = "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ"
_UNUSUAL = re.compile(f"[^\x00-\x7f{_POLISH}\u2010-\u201f\u2026\u00a7\u00b0\u00a0]")
"""Anything but ASCII, Polish letters and the usual punctuation."""

_READ_AS = (
    "latin-1",
    "cp1252",
    "cp1250",
    "iso-8859-2",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1257",
    "mac-roman",
    "cp437",
    "cp852",
)
_POLISH_READ_AS = ("cp1250", "cp1252", "iso-8859-2", "cp852", "cp437", "mac-roman")

_C1 = "".join(map(chr, range(0x80, 0xA0)))
_C1_POLISH = "".join(bytes([code]).decode("cp1250", "ignore") or chr(code) for code in range(0x80, 0xA0))
_MIXUPS = (
    # cp1250 read as Latin-1 or cp1252
    (f"¹æê³ñœŸ¿¥ÆÊ£ÑŒ¯{_C1}", f"ąćęłńśźżĄĆĘŁŃŚŻ{_C1_POLISH}"),
    # ISO-8859-2 read as Latin-1 or cp1252
    ("±æê³ñ¶¼¿¡ÆÊ£Ñ¦¬¯", "ąćęłńśźżĄĆĘŁŃŚŹŻ"),
    # ISO-8859-2 read as cp1250
    ("±¶Ľˇ¦¬", "ąśźĄŚŹ"),
    # cp1250 read as ISO-8859-2, or what is left of it when the control characters were taken for cp1252
    (f"šœŸĽŒ{_C1}", f"ąśźĄŚ{_C1_POLISH}"),
)
_MIXED = re.compile(
    # A sign inside a word; a raised three, a pound or a pilcrow before two small letters; a word as common as "się".
    "[a-zóêæñ][¹³¿¶][a-zóêæñ]|(?<![a-z])[³£¶][a-zó¹][a-zóŸ]|\\b[Ss]iê\\b"
)
_PERHAPS_MIXED = re.compile("[a-zó][¹³¿±¶¼ŸĽœê\x9c\x9f]|[Œ¯£¬¦³¿¼±¶\x8c\x8f\x9c\x9f][a-zó]")
_POLISH_WORD = re.compile(
    r"\b(?:nie|się|jest|że|jak|są|był|była|dla|czy|już|przez|przy|oraz|lub|tego|tylko|także)\b", re.IGNORECASE
)
_FOREIGN = re.compile(rf"[^\W\d_A-Za-z{_POLISH}]")
_CAPITAL_INSIDE = re.compile("[a-ząćęłńóśźż][A-ZĄĆĘŁŃÓŚŹŻ]")
_NO_WORD = re.compile("(?!s[¹±]$)(?:[kcdm]?m[²³]|[A-Za-z]?[£¿¡¬¦¹³±¶¼¯]+|[A-Za-z][±¼¹³][A-Za-z])")


_CUT_QUOTE = re.compile(r"â€(?=[\s.,;:!?)]|$)")
"""A closing quote whose last byte no cp1252 has, so that it was lost; before a space it would be taken for a dagger."""


def may_hold_mojibake(text: str) -> bool:
    return not text.isascii() and _UNUSUAL.search(text) is not None


def mend_mojibake(text: str) -> str:
    """The text as it was meant; the same text where nothing is wrong or the evidence is weak."""
    if not may_hold_mojibake(text):
        return text
    if _utf8_gate().search(text) is not None:
        text = "\n".join(map(_mended_line, text.split("\n")))
    if _PERHAPS_MIXED.search(text) is not None:
        text = _unmixed(text)
    return text


def _mended_line(line: str) -> str:
    if line.isascii() or _utf8_gate().search(line) is None:
        return line
    from ftfy import fix_encoding

    if "â€œ" in line:
        line = _CUT_QUOTE.sub("â€\x9d", line)
    line = fix_encoding(line)
    sequences, evidence, letters = _polish_sequences()
    if evidence.search(line) is None:
        return line
    return sequences.sub(lambda found: letters[found[0]], line)


@lru_cache(maxsize=1)
def _utf8_gate() -> re.Pattern[str]:
    """Characters that are the bytes of one UTF-8 character in one of the encodings."""
    branches = []
    for encoding in _READ_AS:
        two, three, four, after = (
            f"[{re.escape(''.join(_sloppy(bytes([code]), encoding) for code in range(first, last)))}]"
            for first, last in ((0xC2, 0xE0), (0xE0, 0xF0), (0xF0, 0xF5), (0x80, 0xC0))
        )
        branches.append(f"{two}{after}|{three}{after}{{2}}|{four}{after}{{3}}")
    # A no-break space among the bytes is often an ordinary one by now, a byte without a meaning is lost; and C1.
    branches += [f"[ÃÂĂÄÅĹ][ {LOST}]", "à ", "[\x80-\x84\x86-\x9f]", r"(?<=\S)\x85"]
    # Each begins with what is not ASCII; to try them there alone is many times faster.
    return re.compile(f"(?=[^\x00-\x7f])(?:{'|'.join(branches)})")


def _sloppy(payload: bytes, encoding: str) -> str:
    """Decoded as browsers do: a byte that means nothing becomes the control character of its number."""
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in payload)


@lru_cache(maxsize=1)
def _polish_sequences() -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    """What Polish letters and quotes look like as UTF-8 in a one-byte encoding; the letters beside a small letter."""
    letters: dict[str, str] = {}
    for signs in (_POLISH, "„”–…"):
        for encoding in _POLISH_READ_AS:
            for sign in signs:
                letters.setdefault(_sloppy(sign.encode(), encoding), sign)
    either = "|".join(re.escape(sequence) for sequence, letter in letters.items() if letter in _POLISH)
    everything = "|".join(map(re.escape, letters))
    return re.compile(everything), re.compile(f"(?<=[a-z])(?:{either})|(?:{either})(?=[a-z])"), letters


def _unmixed(text: str) -> str:
    """Polish in a one-byte encoding that was taken for another: word by word, if the text shows that it is."""
    least = 1 if _MIXED.search(text) is not None else 2
    polish = least == 1 or any(letter in text for letter in "łŁżŻęĘ")
    best, most = text, least - 1
    for wrong, right in _MIXUPS:
        if any(letter in text for letter in right if letter in _POLISH):
            continue  # The letters that this mix-up spoils are there, whole.
        table = str.maketrans(wrong, right)
        words = re.compile(f"[A-Za-zÓó{_POLISH}{wrong}]+")
        mended = words.sub(lambda found, table=table: _word(found[0], table), text)  # type: ignore[misc]
        gain = sum(one != other for one, other in zip(text, mended, strict=True))
        if gain <= most or _MIXED.search(mended) or _FOREIGN.search(mended):
            continue
        if polish or _POLISH_WORD.search(mended):
            best, most = mended, gain
    return best


def _word(word: str, table: dict[int, int]) -> str:
    """A word in the right letters, unless it is a unit, a formula or would have a capital after a small letter."""
    mended = word.translate(table)
    return word if _NO_WORD.fullmatch(word) or _CAPITAL_INSIDE.search(mended) else mended
