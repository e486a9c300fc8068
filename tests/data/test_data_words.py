"""Hashed words: the same words have the same hashes, whatever the batch, and others have others."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data import words as module
from kamerton.data.words import distinct, hashed_words, normalised, run_hashes, span_hashes

ODD = st.sampled_from(
    ["ß", "ﬁ", "½", "ǿ", "Ł", "z\u0307", "\u0301", "\U0001d504", "²", "한", "\ud800", "_", "İ", "ŉ", "…", "☃", "\x00"]
)
TEXTS = st.lists(st.lists(ODD | st.text(max_size=4), max_size=8).map(" ".join) | st.text(max_size=12), max_size=12)


def words_of(texts: list[str]) -> list[tuple[int, ...]]:
    found = hashed_words(texts)
    assert len(found.starts) == len(texts) + 1
    assert found.starts[-1] == len(found.words)
    return [tuple(part.tolist()) for part in np.split(found.words, found.starts[1:-1])] if texts else []


@given(TEXTS)
def test_hashes_are_those_of_the_normalised_words(texts: list[str]) -> None:
    plain = [module._WORD.findall(normalised(text)) or [text.strip()] for text in texts]
    known: dict[str, int] = {}
    for own, hashes in zip(plain, words_of(texts), strict=True):
        assert len(own) == len(hashes)
        for word, value in zip(own, hashes, strict=True):
            assert known.setdefault(word, value) == value
    assert len(set(known.values())) == len(known)
    hashes = hashed_words(texts).texts.tolist()
    assert [hashes.index(each) for each in hashes] == [plain.index(each) for each in plain]


@given(TEXTS)
def test_a_text_has_the_same_words_alone_and_in_a_batch(texts: list[str]) -> None:
    together = words_of(texts)
    assert together == [words_of([text])[0] for text in texts]


def test_every_letter_folds_by_itself_and_folding_again_changes_nothing() -> None:
    codes = [*range(0x3400), *range(0x3400, sys.maxunicode, 37), *range(0x1D400, 0x1D800), *range(0xF900, 0x10000)]
    for code in codes:
        once = module._fold(chr(code))
        assert module._fold(once) == once, hex(code)
    texts = [f"a{chr(code)}b {chr(code)}" for code in codes]
    expected = [module._WORD.findall(normalised(text)) for text in texts]
    assert [len(own) for own in words_of(texts)] == [len(own) for own in expected]


def test_long_texts_and_many_texts_cross_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"słowo {number} " * (number % 50) for number in range(300)] + ["z " * 70_000]
    plain = words_of(texts)
    monkeypatch.setattr(module, "_CHUNK", 100)
    monkeypatch.setattr(module, "_BLOCK", 7)
    assert words_of(texts) == plain
    assert len(plain[-1]) == 70_000
    assert len(set(plain[-1])) == 1


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 8), st.integers(1, 9))
def test_equal_runs_have_equal_hashes(numbers: list[int], length: int, block: int) -> None:
    items = np.array(numbers, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    saved, module._BLOCK = module._BLOCK, block
    try:
        found = run_hashes(items, length).tolist()
    finally:
        module._BLOCK = saved
    runs = [tuple(numbers[at : at + length]) for at in range(len(numbers) - length + 1)]
    assert [found.index(value) for value in found] == [runs.index(run) for run in runs]
    first = np.arange(len(found))
    assert span_hashes(items, first, first + length).tolist() == found


def test_anagrams_and_shifted_words_differ() -> None:
    texts = ["ab ba", "ba ab", "abba", "ab b a", "aabb", "abab", "ab  ba.", "AB-BA"]
    found = words_of(texts)
    assert found[0] == found[6] == found[7]
    assert len(set(found)) == 6
    assert found[0][0] != found[0][1]


def test_distinct() -> None:
    assert distinct(np.array([3, 1, 3, 2, 1])).tolist() == [1, 2, 3]
    assert distinct(np.array([], dtype=np.int64)).tolist() == []
