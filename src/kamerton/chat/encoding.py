"""Texts become tokens so that chosen places are token boundaries, and a content never becomes a control token."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

__all__ = ["ControlTokens", "Encoder", "Encoding", "encode_at"]

_PRIVATE = range(0xF0000, 0x10FFFE)
"""Private-use characters; those that a conversation itself holds are not used for it."""


class Encoding(Protocol):
    """What a fast tokenizer returns for a text."""

    @property
    def ids(self) -> list[int]: ...


class Encoder(Protocol):
    """Text to token ids, adding and cutting nothing."""

    def __call__(self, text: str) -> Encoding: ...


class ControlTokens:
    """The tokens that only a template may write, such as `<|im_end|>`."""

    def __init__(self, names: Iterable[str]) -> None:
        longest_first = sorted({name for name in names if name}, key=lambda name: (-len(name), name))
        self._any = _pattern(longest_first)
        # A token of one character cannot be told from its text; to be one is all that the text can mean.
        self._longer = _pattern([name for name in longest_first if len(name) > 1])

    def first_end(self, text: str) -> int:
        """Where the first control token of a text ends; 0 where there is none."""
        found = self._any.search(text)
        return found.end() if found else 0

    def last_start(self, text: str) -> int:
        """Where the last control token of a text begins; its length where there is none."""
        return max(self.starts(text), default=len(text))

    def starts(self, text: str) -> set[int]:
        """Where the control tokens of a text begin."""
        return {found.start() for found in self._any.finditer(text)}

    def cover(self, texts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """The texts with what looks like a control token covered, a private-use character for each character.

        Returns:
            The covered texts, as long as they were, and the covered character behind each cover.
        """
        letters = {letter for text in texts for found in self._longer.findall(text) for letter in found}
        if not letters:
            return list(texts), {}
        taken = set("".join(texts))
        free = (chr(code) for code in _PRIVATE if chr(code) not in taken)
        covers = dict(zip(sorted(letters), free, strict=False))
        table = str.maketrans(covers)
        covered = [self._longer.sub(lambda found: found[0].translate(table), text) for text in texts]
        return covered, {cover: letter for letter, cover in covers.items()}


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, names)) or r"(?!)")


def encode_at(
    encode: Encoder, text: str, cuts: Iterable[int], fresh: Iterable[int] = ()
) -> tuple[list[int], dict[int, int]]:
    """Token ids of a text in which no token crosses a cut.

    What stands before a cut is encoded as if the text ended there. So the tokens of a prompt are the first tokens of
    the prompt with its answer, whatever the tokenizer would like to merge; where it merges nothing, the ids are the
    ordinary ones of the whole text.

    Args:
        cuts: character positions.
        fresh: positions where the tokenizer parts the text by itself, such as the beginnings of control tokens; they
            save work and change nothing.

    Returns:
        The ids, and for each position the number of ids before it.
    """
    apart = set(fresh)
    done: list[int] = []
    run: list[int] = []
    marks = {0: 0}
    start = last = 0
    for stop in sorted({*cuts, *apart, len(text)} - {0}):
        grown = _piece(encode, text[start:stop], inside=start > 0 and start not in apart)
        if grown[: len(run)] != run:
            # A token of the grown text crosses the cut: what was encoded before it stays.
            done, start = done + run, last
            grown = _piece(encode, text[start:stop], inside=True)
        run, last = grown, stop
        marks[stop] = len(done) + len(run)
        if stop in apart:
            done, run, start = done + run, [], stop
    return done + run, marks


def _piece(encode: Encoder, text: str, *, inside: bool) -> list[int]:
    """Ids of a piece; one from the inside of a text stands after a newline for the tokenizer, which else may begin it
    with the mark of a first word (SentencePiece's dummy prefix)."""
    if inside:
        newline = encode("\n").ids
        led = encode("\n" + text).ids
        if led[: len(newline)] == newline:
            return list(led[len(newline) :])
    return list(encode(text).ids)
