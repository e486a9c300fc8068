"""What is said of an answer by its text alone."""

from __future__ import annotations

import unicodedata

import pytest

from kamerton.chat.answers import has_form, label_of, same_answer


def test_white_space_and_composition_of_letters_do_not_count() -> None:
    assert same_answer(" Wydział:\n Dróg ", unicodedata.normalize("NFD", "Wydział: Dróg"))
    assert not same_answer("Wydział: dróg", "Wydział: Dróg")


@pytest.mark.parametrize(
    ("pattern", "answer", "wanted"),
    [("[0-9]+", " 12\n", True), ("[0-9]+", "12 zł", False), ("a.b", "a\nb", False), ("(?s)a.b", "a\nb", True)],
)
def test_the_whole_answer_has_the_form(pattern: str, answer: str, wanted: bool) -> None:
    assert has_form(pattern, answer) == wanted


def test_a_label_is_the_first_group_of_the_first_match() -> None:
    assert label_of("^Wynik: (.+)$", "liczę\nWynik: 4 \nWynik: 5") == "4"
    assert label_of("^Wynik: (.+)$", "brak") == ""
    assert label_of("a(b)?", "a") == ""
