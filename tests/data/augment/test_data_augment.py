"""Augmentation: new rows that say what they came from, and the refusal of those that say nothing new or too much."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from kamerton.chat.messages import Message
from kamerton.data import Row
from kamerton.data.augment import AugmentResult, augment
from kamerton.data.augment.noise import FAULTS, with_noise
from kamerton.ground.errors import DataError, RecipeError
from kamerton.recipe import Augmentation

QUESTIONS = (
    "Gdzie złożę wniosek o dowód osobisty?",
    "Jak długo czeka się na pozwolenie na budowę domu?",
    "Kto naprawi dziurę w jezdni przy ulicy Lipowej 14?",
    "Ile kosztuje odpis aktu urodzenia w 2024 roku?",
)


def rows(*questions: str) -> list[Row]:
    return [
        Row((turn("user", question), turn("assistant", f"Odpowiedź {number}.")), file="a.jsonl", line=number)
        for number, question in enumerate(questions or QUESTIONS, 1)
    ]


def turn(role: Any, content: str) -> Message:
    return {"role": role, "content": content}


def steps(*given: dict[str, Any]) -> list[Augmentation]:
    return TypeAdapter(list[Augmentation]).validate_python(list(given))


def made(train: Sequence[Row], *given: dict[str, Any], held_out: Sequence[Row] = (), **more: Any) -> AugmentResult:
    return augment(train, held_out, steps(*given), seed=1, similarity=0.7, **more)


def test_a_new_row_keeps_its_answer_and_names_its_original() -> None:
    train = rows()
    found = made(train, {"kind": "templates", "templates": ["Proszę o odpowiedź: {prompt}"]})
    assert [row.question for row in found.rows] == [f"Proszę o odpowiedź: {question}" for question in QUESTIONS]
    assert [row.augmented_from for row in found.rows] == [row.row_hash for row in train]
    assert [row.answer for row in found.rows] == [row.answer for row in train]
    assert found.report.made == 4
    assert found.findings == []


def test_a_template_may_hold_braces_and_so_may_a_question() -> None:
    found = made(rows("Co znaczy {x} w {prompt}?"), {"kind": "templates", "templates": ["{json}: {prompt}"]})
    assert found.rows[0].question == "{json}: Co znaczy {x} w {prompt}?"


def test_a_template_without_a_place_for_the_question_is_refused() -> None:
    with pytest.raises(RecipeError, match="no place for the question"):
        made(rows(), {"kind": "templates", "templates": ["Odpowiedz krótko."]})


def test_noise_is_a_function_of_the_seed_and_the_row() -> None:
    noise = {"kind": "noise", "rate": 0.3, "copies": 3}
    whole, half = made(rows(), noise), made(rows()[2:], noise)
    assert {row.question for row in half.rows} < {row.question for row in whole.rows}
    other = augment(rows(), [], steps(noise), seed=2, similarity=0.7)
    assert {row.question for row in other.rows} != {row.question for row in whole.rows}


def test_each_fault_does_what_its_name_says() -> None:
    chance = random.Random(3)
    assert with_noise("Zażółć gęślą jaźń", ["diacritics"], 0.5, chance).count("z") >= 1
    bare = with_noise("Zażółć gęślą jaźń", ["diacritics"], 0.5, random.Random(1))
    assert len(bare) == len("Zażółć gęślą jaźń")
    assert with_noise("Warszawa", ["case"], 0.5, random.Random(1)) == "warszawa"
    typo = with_noise("wniosek", ["typos"], 0.5, random.Random(5))
    assert typo != "wniosek"
    assert abs(len(typo) - 7) <= 1


def test_a_text_in_which_nothing_can_be_spoilt_stays_and_is_refused() -> None:
    assert with_noise("12 34 !", ["typos"], 0.5, random.Random(1)) == "12 34 !"
    found = made(rows("123 456?"), {"kind": "noise"})
    assert found.rows == []
    assert found.report.steps[0].refused == {"unchanged": 1}


@given(st.text(max_size=80), st.sets(st.sampled_from(sorted(FAULTS)), min_size=1), st.integers(0, 99))
def test_noise_leaves_numbers_and_signs_alone(text: str, faults: set[str], seed: int) -> None:
    spoilt = with_noise(text, sorted(faults), 0.3, random.Random(seed))

    def others(some: str) -> Counter[str]:
        return Counter(letter for letter in some if letter.isdecimal() or letter in " .,?!-\n")

    assert others(spoilt) == others(text)


def test_phrases_are_replaced_whole_and_keep_their_capital(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(
        "phrase,replacement\ndowód,dokument\ndowód osobisty,dokument tożsamości\nwniosek,podanie\n", encoding="utf-8"
    )
    train = rows("Dowód osobisty i wniosek: gdzie?", "Bezdowodowy wnioskodawca.")
    found = made(train, {"kind": "substitution", "table": "table.csv"}, root=tmp_path)
    assert [row.question for row in found.rows] == ["Dokument tożsamości i podanie: gdzie?"]
    assert found.report.steps[0].refused == {"unchanged": 1}
    assert found.findings[0].kind == "augmented_unchanged"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zdanie,inne\na,b\n", "missing or empty"),
        ("phrase,replacement\na,\n", "missing or empty"),
        ("phrase,replacement\n", "no line"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        made(rows(), {"kind": "substitution", "table": "table.csv"}, root=tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such table"):
        made(rows(), {"kind": "substitution", "table": "no.csv"}, root=tmp_path)


class Parrot:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, prompts: Sequence[list[Message]], max_new_tokens: int) -> list[str]:
        self.asked += [prompt[0]["content"] for prompt in prompts]
        return [self.answers[place % len(self.answers)] for place in range(len(prompts))]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", "empty"),
        ("Kto naprawi dziurę w jezdni przy ulicy Lipowej 14?", "unchanged"),
        ("kto naprawi DZIURĘ w jezdni, przy ulicy Lipowej 14", "unchanged"),
        ("Dziura, Lipowa 14?", "length"),
        ("Kto zajmie się dziurą w drodze przy ulicy Lipowej 15?", "numbers"),
    ],
)
def test_a_bad_paraphrase_is_refused(answer: str, fault: str) -> None:
    parrot = Parrot(answer)
    found = made(rows(QUESTIONS[2]), {"kind": "paraphrase", "model": "m"}, open_rewriter=lambda name: parrot)
    assert found.rows == []
    assert found.report.steps[0].refused == {fault: 1}
    assert [finding.kind for finding in found.findings] == [f"augmented_{fault}"]


def test_a_good_paraphrase_is_kept_without_the_marks_around_it() -> None:
    parrot = Parrot("„Kto zajmie się dziurą w drodze przy ulicy Lipowej 14?”")
    found = made(rows(QUESTIONS[2]), {"kind": "paraphrase", "model": "m"}, open_rewriter=lambda name: parrot)
    assert found.rows[0].question == "Kto zajmie się dziurą w drodze przy ulicy Lipowej 14?"
    assert parrot.asked[0].startswith("Napisz poniższy tekst innymi słowami")


def test_a_paraphrase_is_asked_in_the_language_of_the_row() -> None:
    parrot = Parrot("Who is going to repair the hole in the road at 14 Lime Street?")
    train = rows("Who will repair the hole that is in the road at 14 Lime Street and when?")
    made(train, {"kind": "paraphrase", "model": "m"}, open_rewriter=lambda name: parrot)
    assert parrot.asked[0].startswith("Write the text below in other words")


def test_translation_goes_there_and_back() -> None:
    parrot = Parrot("Kto się zajmie dziurą w drodze przy Lipowej 14?")
    step = {"kind": "back_translation", "model": "m"}
    found = made(rows(QUESTIONS[2]), step, open_rewriter=lambda name: parrot)
    assert [text.split(" below ")[1].split(".")[0] for text in parrot.asked] == [
        "from Polish to English",
        "from English to Polish",
    ]
    assert found.report.made == 1


def test_a_model_is_opened_once() -> None:
    opened: list[str] = []

    def open_rewriter(name: str) -> Parrot:
        opened.append(name)
        return Parrot("Coś zupełnie innego niż było tu przedtem, i z liczbą 14?")

    step = {"kind": "paraphrase", "model": "m"}
    made(rows(), step, step, {"kind": "paraphrase", "model": "n"}, open_rewriter=open_rewriter)
    assert opened == ["m", "n"]


def test_nothing_alike_a_held_out_row_is_made() -> None:
    held_out = rows("Kto zajmie się dziurą w drodze przy ulicy Lipowej 14?")
    parrot = Parrot("Kto zajmie się dziurą w drodze przy ulicy Lipowej 14")
    step = {"kind": "paraphrase", "model": "m"}
    found = made(rows(QUESTIONS[2]), step, held_out=held_out, open_rewriter=lambda name: parrot)
    assert found.rows == []
    assert found.report.steps[0].refused == {"held_out": 1}


def test_the_same_question_is_not_made_twice() -> None:
    template = {"kind": "templates", "templates": ["Pytanie: {prompt}"], "copies": 3}
    found = made(rows(), template)
    assert found.report.made == 4
    assert found.report.steps[0].refused == {"duplicate": 8}


def test_a_share_takes_some_rows_and_the_same_ones_when_the_set_grows() -> None:
    train = rows(*(f"Pytanie numer {number} o coś innego niż {number * 7}?" for number in range(200)))
    step = {"kind": "templates", "templates": ["Proszę: {prompt}"], "share": 0.25}
    few, many = made(train[:100], step), made(train, step)
    assert 30 <= len(many.rows) <= 70
    assert [row.question for row in few.rows] == [row.question for row in many.rows][: len(few.rows)]


def test_in_a_conversation_the_last_question_is_rewritten() -> None:
    row = Row(
        (
            turn("system", "S"),
            turn("user", "Dzień dobry"),
            turn("assistant", "A"),
            turn("user", "Gdzie?"),
            turn("assistant", "B"),
        )
    )
    (new,) = made([row], {"kind": "templates", "templates": ["Pytam: {prompt}"]}).rows
    assert [message["content"] for message in new.messages or ()] == ["S", "Dzień dobry", "A", "Pytam: Gdzie?", "B"]


def test_a_plain_text_and_judged_answers_are_augmented_too() -> None:
    text = Row(text="Zwykły tekst o niczym.", line=1)
    pair = Row((turn("user", "Co lepsze?"),), ranked=(turn("assistant", "to"), turn("assistant", "tamto")), line=2)
    found = made([text, pair], {"kind": "templates", "templates": ["Oto: {prompt}"]})
    assert found.rows[0].text == "Oto: Zwykły tekst o niczym."
    assert found.rows[1].question == "Oto: Co lepsze?"
    assert found.rows[1].ranked == pair.ranked
