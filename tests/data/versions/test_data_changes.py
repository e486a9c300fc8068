"""What changed: rows that are versions of one another, and the words that differ."""

from __future__ import annotations

import random
import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.data.rows import Row
from kamerton.data.versions.changes import Change, pair_rows
from kamerton.data.versions.spans import Span, word_spans

WORDS = [
    "gmina",
    "wniosek",
    "odpowiedź",
    "mieszkaniec",
    "żółty",
    "źródło",
    "łódź",
    "the",
    "officer",
    "request",
    "letter",
]


def row(question: str, answer: str, **more: object) -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Row(messages=turns, **more)  # type: ignore[arg-type]


def said(spans: list[Span], *ops: str) -> str:
    return "".join(span.text for span in spans if span.op in ("same", *ops))


def test_the_words_that_changed() -> None:
    spans = word_spans("Wniosek złóż w ciągu 30 dni.", "Wniosek złóż w ciągu 14 dni.")
    assert spans == [
        Span("same", "Wniosek złóż w ciągu "),
        Span("removed", "30"),
        Span("added", "14"),
        Span("same", " dni."),
    ]
    assert word_spans("Odpowiemy w ciągu 8 dni.", "Odpowiemy jutro lub pojutrze do południa.") == [
        Span("same", "Odpowiemy "),
        Span("removed", "w ciągu 8 dni"),
        Span("added", "jutro lub pojutrze do południa"),
        Span("same", "."),
    ], "words replaced in a row are one change"
    assert [span.op for span in word_spans("a b c", "a x b y c")] == ["same", "added", "same", "added", "same"]
    assert word_spans("żółw", "żółw") == [Span("same", "żółw")]
    assert word_spans("", "") == []
    assert word_spans("", "nowe") == [Span("added", "nowe")]
    assert word_spans("a a", "a") == [Span("same", "a"), Span("removed", " a")]


TEXTS = st.text(alphabet=st.sampled_from("ab ą.\n😀\u0301"), max_size=40)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_spans_give_both_texts_back(before: str, after: str) -> None:
    spans = word_spans(before, after)
    assert said(spans, "removed") == before
    assert said(spans, "added") == after
    assert all(one.op != other.op for one, other in pairwise(spans))


def test_long_texts_without_a_word_in_common_take_no_time() -> None:
    before, after = " ".join(["a", "b"] * 5000), " ".join(["c", "b"] * 5000)
    began = time.monotonic()
    assert said(word_spans(before, after), "added") == after
    assert time.monotonic() - began < 2


def test_the_same_prompt_with_another_answer_is_one_changed_row() -> None:
    before, after = row("Jaki termin?", "Miesiąc."), row("Jaki termin?", "Czternaście dni roboczych.")
    found = pair_rows([before, row("Inne?", "x")], [after, row("Nowe pytanie zupełnie?", "y")])
    assert found.changed == [Change(before, after)]
    assert [r.answer for r in found.removed] == ["x"]
    assert [r.answer for r in found.added] == ["y"]
    assert [change.field for change in found.changed[0].fields] == ["messages[1].content"]


def test_of_several_answers_to_one_prompt_the_alike_ones_are_paired() -> None:
    old = [row("Powiedz coś.", f"{word} raz dwa trzy cztery") for word in ("kot", "pies", "wilk")]
    new = [row("Powiedz coś.", f"{word} raz dwa trzy pięć") for word in ("wilk", "kot", "pies")]
    found = pair_rows(old, new)
    assert {c.before.answer.split()[0]: c.after.answer.split()[0] for c in found.changed} == {
        "kot": "kot",
        "pies": "pies",
        "wilk": "wilk",
    }


def test_the_same_line_pairs_rows_that_share_some_words_only() -> None:
    place = {"file": "a.jsonl", "line": 7}
    before = row("Kiedy otwarte jest biuro?", "Od ósmej.", **place)
    after = row("W jakich godzinach otwarte jest biuro obsługi?", "Od dziewiątej.", **place)
    assert len(pair_rows([before], [after]).changed) == 1
    assert pair_rows([before], [row("Ile kosztuje psia opłata?", "Nic.", **place)]).changed == []
    nowhere = row("Kiedy otwarte jest biuro?", "Od ósmej."), row("Kiedy otwarte jest okienko?", "Od ósmej.")
    assert pair_rows([nowhere[0]], [nowhere[1]]).changed == [], "no line is no place"


def test_long_rows_that_are_alike_are_paired_and_short_ones_are_not() -> None:
    draw = random.Random(5)
    texts = [" ".join(draw.choices(WORDS, k=30)) + f" {number}" for number in range(60)]
    old = [row(text, "tak") for text in texts]
    new = [row(text.replace("gmina", "powiat") + " koniec", "tak") for text in texts]
    found = pair_rows(old, new)
    assert len(found.changed) == 60
    assert all(c.before.question.split()[-1] == c.after.question.split()[-2] for c in found.changed)
    assert pair_rows([row("Pytanie 1?", "Tak.")], [row("Pytanie 2?", "Tak.")]).changed == []


def test_labels_turns_tools_and_rankings_are_named() -> None:
    system = {"role": "system", "content": "Mów krótko."}
    before = row("Pytanie?", "Odpowiedź długa.", category="a")
    after = Row(messages=(system, *before.messages), category="b", tools="[]")  # type: ignore[arg-type, misc]
    fields = {change.field: change.spans for change in Change(before, after).fields}
    assert fields["category"] == [Span("removed", "a"), Span("added", "b")]
    assert fields["messages[0].content"] == [Span("added", "Mów krótko.")]
    assert fields["messages[0].role"] == [Span("added", "system")]
    assert fields["tools"] == [Span("added", "[]")]
    assert len(fields) == 4, "the turns behind the new one did not change"
    answers = tuple({"role": "assistant", "content": text} for text in ("dobrze", "źle"))
    ranked = Row(messages=before.messages[:1], ranked=answers)  # type: ignore[arg-type, index]
    turned = Row(messages=before.messages[:1], ranked=answers[::-1])  # type: ignore[arg-type, index]
    assert [c.field for c in Change(ranked, turned).fields] != []
    text = Change(Row(text="raz dwa", category="x"), Row(text="raz trzy", category="x")).fields
    assert [(c.field, said(c.spans, "added")) for c in text] == [("text", "raz trzy")]


def test_kinds_are_never_paired_by_their_prompt() -> None:
    plain = row("Pytanie?", "Tak.")
    rated = row("Pytanie?", "Nie wiem.", liked=True)
    assert pair_rows([plain], [rated]).changed == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=8), st.lists(st.integers(0, 6), max_size=8))
def test_every_row_is_in_the_diff_once(removed: list[int], added: list[int]) -> None:
    old = [row(f"Pytanie {n % 3}?", f"stara {n}") for n in removed]
    new = [row(f"Pytanie {n % 3}?", f"nowa {n}") for n in added]
    found = pair_rows(old, new)
    assert sorted(r.row_hash for r in old) == sorted(
        [*(r.row_hash for r in found.removed), *(c.before.row_hash for c in found.changed)]
    )
    assert sorted(r.row_hash for r in new) == sorted(
        [*(r.row_hash for r in found.added), *(c.after.row_hash for c in found.changed)]
    )
    assert len(found.changed) == sum(
        min(sum(n % 3 == k for n in removed), sum(n % 3 == k for n in added)) for k in range(3)
    )
    assert found == pair_rows(old[::-1], new[::-1]), "the order of the rows does not matter"


def test_many_rows_of_one_prompt_do_not_square() -> None:
    old = [row("To samo.", f"odpowiedź {n}") for n in range(3000)]
    new = [row("To samo.", f"reakcja {n}") for n in range(3000)]
    began = time.monotonic()
    assert len(pair_rows(old, new).changed) == 3000
    assert time.monotonic() - began < 5
