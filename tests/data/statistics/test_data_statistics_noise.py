"""Label noise: one question with two answers is found, two questions are left alone."""

import pytest

from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.rows import Row
from kamerton.data.statistics.noise import label_noise
from kamerton.records.statistics import LabelNoise


def ask(question: str, answer: str, line: int, *, system: str = "", liked: bool | None = None) -> Row:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if system:
        turns.insert(0, {"role": "system", "content": system})
    return Row(messages=tuple(turns), file="f", line=line, liked=liked)  # type: ignore[arg-type]


def noise(rows: list[Row], **more: object) -> LabelNoise:
    return label_noise(rows, near_duplicate_clusters(rows, 0.7), **more)  # type: ignore[arg-type]


def counts(rows: list[Row]) -> tuple[int, int]:
    found = noise(rows)
    return found.equal_rows, found.near_rows


LETTER = "Proszę o informację, kiedy urząd gminy jest otwarty w sobotę i czy trzeba się umówić wcześniej na wizytę"


def test_equal_questions_with_different_labels_are_noise() -> None:
    rows = [
        ask("Ile to kosztuje?", "Drogi", 1),
        ask("ile to KOSZTUJE", "Odpady", 2),
        ask("Ile to kosztuje?", "drogi!", 3),
    ]
    found = noise(rows)
    assert (found.rows, found.equal_rows, found.near_rows, found.share) == (3, 3, 0, 1.0)
    (pair,) = found.pairs
    assert (pair.sort, pair.first.line, pair.second.line, pair.answers) == ("equal", 1, 2, ["Drogi", "Odpady"])


def test_the_same_answer_in_other_words_is_no_noise() -> None:
    one = "Urząd jest otwarty od ósmej do szesnastej w każdy dzień roboczy."
    other = "W każdy dzień roboczy urząd jest otwarty od ósmej do szesnastej, zapraszamy."
    assert counts([ask("Kiedy otwarte?", one, 1), ask("Kiedy otwarte?", other, 2)]) == (0, 0)
    other = "Nie prowadzimy takich spraw, trzeba napisać list do powiatu albo województwa."
    assert counts([ask("Kiedy otwarte?", one, 1), ask("Kiedy otwarte?", other, 2)]) == (2, 0)


def test_nearly_equal_questions_are_told_apart_from_equal_ones() -> None:
    longer = LETTER + " osobistą"
    assert counts([ask(LETTER, "tak", 1), ask(longer, "nie", 2)]) == (0, 2)
    assert counts([ask(LETTER, "tak", 1), ask(longer, "Tak.", 2)]) == (0, 0)


def test_other_numbers_make_another_question() -> None:
    assert counts([ask(f"{LETTER} numer 17", "tak", 1), ask(f"{LETTER} numer 18", "nie", 2)]) == (0, 0)


def test_another_system_turn_asks_something_else() -> None:
    rows = [ask("Powiedz coś", "tak", 1, system="krótko"), ask("Powiedz coś", "nie", 2, system="długo")]
    assert counts(rows) == (0, 0)


@pytest.mark.parametrize(("liked", "found"), [((True, False), 2), ((True, True), 0), ((False, False), 0)])
def test_a_rated_answer_must_not_be_liked_and_disliked(liked: tuple[bool, bool], found: int) -> None:
    rows = [ask("Pytanie?", "to samo", line, liked=value) for line, value in enumerate(liked)]
    assert counts(rows)[0] == found
    rows = [ask("Pytanie?", f"odpowiedź {line}", line, liked=value) for line, value in enumerate(liked)]
    assert counts(rows)[0] == 0


def test_texts_and_rankings_have_no_labels() -> None:
    ranked = ({"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"})
    rows = [
        Row(text="a"),
        Row(text="a"),
        Row(messages=({"role": "user", "content": "q"},), ranked=ranked),  # type: ignore[arg-type]
    ]
    found = noise(rows)
    assert (found.rows, found.share, found.pairs) == (0, None, [])


def test_text_of_private_rows_is_not_shown() -> None:
    rows = [ask("Pytanie Jana?", "tak", 1), ask("Pytanie Jana?", "nie", 2)]
    (pair,) = noise(rows, private={("f", 2)}).pairs
    assert (pair.prompt, pair.answers) == ("", [])
    assert "Jana" not in pair.model_dump_json()


def test_a_crowd_is_counted_without_comparing_each_with_each() -> None:
    rows = [ask(f"{LETTER} {'x' * (n % 70)}", f"odpowiedź {n % 2}", n) for n in range(3000)]
    found = noise(rows)
    assert found.crowded == 3000
    # Numbers differ neither in questions nor in labels: every length of x comes with one parity or with both.
    assert 0 < found.equal_rows + found.near_rows <= 3000
    assert len(found.pairs) <= 100


def test_excerpts_are_short() -> None:
    rows = [ask("q " * 5000, "tak", 1), ask("q " * 5000, "nie " * 5000, 2)]
    (pair,) = noise(rows).pairs
    assert max(map(len, [pair.prompt, *pair.answers])) <= 160
