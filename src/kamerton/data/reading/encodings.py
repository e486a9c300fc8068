"""Which encoding bytes are in, and how sure that is.

UTF-8 is told from everything else by being valid; UTF-16 and UTF-32 by a byte-order mark or by where their zero bytes
stand; cp1250, ISO-8859-2 and cp1252, in which any byte is valid, by the letters that each would make of the bytes:
those of one Central or West European language, or of none.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "LEGACY",
    "Legacy",
    "Wide",
    "is_foreign",
    "is_mixed",
    "looks_binary",
    "may_be_chance",
    "patched",
    "wide_encoding",
]

LEGACY: Final = ("cp1250", "iso-8859-2", "cp1252")
"""Encodings of one byte a letter that are told apart; the earlier one where the text is the same."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16-LE, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ALPHABETS: Final = {
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţ", "äöüß"),
    "cp1252": ("àâæçèéêëîïôœùûüÿ", "áéíñóúü", "ãáàâçéêíóôõú", "àèéìíòóùú", "åäöæø", "äöüß"),
}
_ALPHABETS["iso-8859-2"] = _ALPHABETS["cp1250"]
_POLISH: Final = frozenset("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ")
_PUNCTUATION: Final = frozenset("„”“‘’–—…«»§°•·©®™€£‰†×÷\xa0\xad\u201a\u2039\u203a")
_HIGH: Final = re.compile(rb"[\x80-\xff]")
_IN_WORD: Final = re.compile(rb"(?<=[A-Za-z\x80-\xff])[\x80-\xff]|[\x80-\xff](?=[A-Za-z\x80-\xff])")
_SEQUENCE: Final = (
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_MIXED: Final = re.compile(rb"(" + _SEQUENCE + rb")|[\x80-\xff]")
# A letter of Greek, Cyrillic, Hebrew or Arabic inside a Latin word: "KÓŁKO" in cp1250 is such a word in UTF-8.
_CHANCE: Final = re.compile(rb"(?<=[A-Za-z])[\xc6-\xdf][\x80-\xbf](?![\x80-\xff])")
_ENOUGH: Final = 20_000
_FEWEST: Final = 3
"""Letters that tell the encoding of a line where the file as a whole has none."""
_ASCII: Final = bytes(range(128))
_CONTROLS: Final = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b\x1a")


@dataclass(frozen=True)
class Wide:
    """An encoding that is told for a file as a whole."""

    name: str
    mark: int
    """Bytes of the byte-order mark; 0 when the zero bytes told it."""


def wide_encoding(head: bytes) -> Wide | None:
    """The encoding that the first bytes of a file declare or show; None for one that must be told line by line."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Wide(name, len(mark))
    if b"\x00" not in head[:4096]:
        return None
    sample = head[: min(len(head), 65536) // 4 * 4]
    if len(sample) >= 8:
        for name in ("utf-32-le", "utf-32-be"):
            if _decodes(sample, name):
                return Wide(name, 0)
    sample = head[: min(len(head), 65536) // 2 * 2]
    pairs = len(sample) // 2
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    for name, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if pairs >= 2 and high > 0.3 * pairs and low <= 0.02 * pairs and _decodes(sample, name):
            return Wide(name, 0)
    return None


def _decodes(sample: bytes, name: str) -> bool:
    try:
        text = codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return False
    return "\x00" not in text


def looks_binary(head: bytes) -> bool:
    """Whether more than one byte in twenty is a control character that no text has."""
    sample = head[:65536]
    return len(sample) - len(sample.translate(None, _CONTROLS)) > 0.05 * len(sample)


def may_be_chance(block: bytes) -> bool:
    """Whether some of this valid UTF-8 may be so by chance: a foreign letter inside a Latin word."""
    return _CHANCE.search(block) is not None


def is_foreign(line: bytes) -> bool:
    """Whether a line, of a file with legacy lines, is not UTF-8, or is so by chance alone."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return 2 * len(_CHANCE.findall(line)) == len(_HIGH.findall(line)) > 0


class Legacy:
    """The one-byte encoding of a file's lines that are not UTF-8, by the evidence of all such lines so far."""

    def __init__(self) -> None:
        self._in_words: Counter[int] = Counter()
        self._alone: Counter[int] = Counter()
        self._weighed = 0
        self.name: str | None = None
        """None when no encoding makes words of the bytes."""
        self.because = ""

    def weigh(self, lines: Sequence[bytes]) -> None:
        """Add the evidence of these lines; what is UTF-8 in a line of both counts as plain letters.

        With enough of it the encoding is settled.
        """
        if self._weighed >= _ENOUGH:
            return
        seen = b"\n".join(_MIXED.sub(_plain, line) if is_mixed(line) else line for line in lines)
        words = b"".join(_IN_WORD.findall(seen))
        self._in_words.update(words)
        self._alone.update(seen.translate(None, _ASCII))
        self._alone.subtract(words)
        scores = {name: self._score(name) for name in LEGACY}
        best = max(LEGACY, key=lambda name: scores[name][:2])
        score, _, good = scores[best]
        self._weighed = total = sum(self._in_words.values()) + sum(self._alone.values())
        self.name = best if total and score > 0 and good >= 0.75 * total else None
        self.because = self._reason(best, good, total, {name: scores[name][2] for name in LEGACY if name != best})

    def of(self, line: bytes) -> tuple[str | None, str]:
        """The encoding of one line, and why: the file's, unless this makes other signs than Polish letters of its words
        and another encoding makes Polish letters of all that is beyond ASCII, as when files were glued together."""
        inside = b"".join(_IN_WORD.findall(line))
        if inside and not (self.name and _is_polish(inside, self.name)) and not is_mixed(line):
            letters = line.translate(None, _ASCII)
            name = next((name for name in LEGACY if _is_polish(letters, name)), None)
            if name and (self.name or len(letters) >= _FEWEST):
                return name, f"all of its {len(letters)} letters beyond ASCII are Polish ones there"
        return self.name, self.because

    def _score(self, name: str) -> tuple[float, int, int]:
        """Letters of the likeliest language less what it does not write; its place in the list, Polish being the first,
        from the end; and how many bytes are good."""
        best: tuple[float, int, int] = (float("-inf"), 0, 0)
        for place, alphabet in enumerate(_ALPHABETS[name]):
            letters = {*alphabet, *alphabet.upper()}
            good, bad = 0, 0.0
            for byte, count in self._in_words.items():
                char = bytes([byte]).decode(name, "replace")
                if char in letters or char in _PUNCTUATION:
                    good += count
                else:
                    bad += count
            for byte, count in self._alone.items():
                char = bytes([byte]).decode(name, "replace")
                if char in letters or char in _PUNCTUATION:
                    good += count
                else:
                    bad += count if char == "\ufffd" or "\x80" <= char <= "\x9f" else 0.25 * count
            best = max(best, (good - bad, -place, good))
        return best

    def _reason(self, best: str, good: int, total: int, others: dict[str, int]) -> str:
        same = [name for name in others if self._same(best, name)]
        rest = [f"{count} in {name}" for name, count in others.items() if name not in same]
        said = f"{good} of its {total} letters beyond ASCII are such as one language writes"
        said += f", against {' and '.join(rest)}" if rest else ""
        return said + (f"; the text is the same in {' and '.join(same)}" if same else "")

    def _same(self, first: str, second: str) -> bool:
        seen = bytes(byte for byte in range(128, 256) if self._in_words[byte] or self._alone[byte])
        return seen.decode(first, "replace") == seen.decode(second, "replace")


def _is_polish(letters: bytes, name: str) -> bool:
    return set(letters.decode(name, "replace")) <= _POLISH | _PUNCTUATION


def patched(line: bytes, legacy: str | None) -> tuple[bytes, bool, int]:
    """A line that is not UTF-8 as UTF-8.

    A line of legacy letters is decoded whole. One that is UTF-8 with some stray bytes has these decoded where all of
    them make Polish letters or punctuation, as when two files were glued together; otherwise it is damaged UTF-8.

    Returns:
        The line; whether letters were converted; and where the first byte stands that could not be read, which is
        U+FFFD in the line, or -1.
    """
    if legacy is not None and not is_mixed(line):
        try:
            return line.decode(legacy).encode(), True, -1
        except UnicodeDecodeError as error:
            return line.decode(legacy, "replace").encode(), True, error.start
    strays = [(found.start(), found[0]) for found in _MIXED.finditer(line) if found[1] is None]
    if legacy is not None and {byte.decode(legacy, "replace") for _, byte in strays} <= _POLISH | _PUNCTUATION:
        return _MIXED.sub(lambda found: found[1] or found[0].decode(legacy).encode(), line), True, -1
    return line.decode("utf-8", "replace").encode(), False, strays[0][0] if strays else -1


def is_mixed(line: bytes) -> bool:
    """Whether a line that is not UTF-8 has too much of it to have it by chance."""
    if line.decode("utf-8", "ignore").isascii():  # much faster than the expression below
        return False
    found = _MIXED.findall(line)
    sequences = sum(map(bool, found)) - len(_CHANCE.findall(line))
    return 2 * sequences > sum(not sequence for sequence in found)


def _plain(found: re.Match[bytes]) -> bytes:
    return b"x" if found[1] else found[0]
