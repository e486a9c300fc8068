"""Cleaning rows: each step reports, mends or sets aside what it should, and says so."""
# ruff: noqa: RUF001 - signs that look like others are what is tested

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data import CleanResult, Row, clean
from kamerton.data.cleaning import language_of
from kamerton.data.cleaning.answers import BOILERPLATE, REFUSAL, Phrases
from kamerton.data.cleaning.steps import STEPS, look
from kamerton.ground.errors import RecipeError
from kamerton.recipe import CleanSection, clean_options
from kamerton.records.cleaning import CleaningReport, CleaningStep


def chat(prompt: str, answer: str, line: int = 1, **more: Any) -> Row:
    turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": answer})
    return Row(messages=turns, file="f", line=line, **more)  # type: ignore[arg-type]


def found(result: CleanResult) -> list[tuple[int, str, str]]:
    return [(finding.line, finding.kind, finding.severity) for finding in result.findings]


def step(result: CleanResult, name: str) -> CleaningStep:
    return next(each for each in result.report.steps if each.name == name)


def test_rows_without_prompt_or_answer_are_set_aside_and_named() -> None:
    rows = [
        chat("a", "b", 1),
        chat("a", "", 2),
        chat("", "b", 3),
        Row(text="", file="f", line=4),
        Row(text="c", file="f", line=5),
    ]
    result = clean(rows, CleanSection())
    assert [row.line for row in result.rows] == [1, 5]
    assert found(result) == [(2, "empty_answer", "error"), (3, "empty_prompt", "error"), (4, "empty_text", "error")]
    assert (step(result, "empty").set_aside, result.report.rows_set_aside) == (3, 3)


def test_blanks_are_empty_and_one_finding_a_step() -> None:
    result = clean([chat("a", " \n", 2)], CleanSection())
    assert found(result) == [(2, "whitespace", "warning"), (2, "empty_answer", "error")]


def test_lengths_count_characters_without_space() -> None:
    rows = [chat("a", " żółć ", 1), chat("a", " żół ", 2), chat("a", "żółcie", 3)]
    result = clean(rows, CleanSection(min_answer_chars=4, max_answer_chars=5, whitespace="off"))
    assert [row.line for row in result.rows] == [1]
    assert found(result) == [(2, "short_answer", "error"), (3, "long_answer", "error")]
    assert "min_answer_chars is 4" in result.findings[0].message
    assert len(clean([chat("a", "")], CleanSection(min_answer_chars=0)).rows) == 1


def test_a_book_for_an_answer_is_worth_a_look() -> None:
    result = clean([chat("a", "b" * 100_001), Row(text="b" * 100_001, file="f", line=2)], CleanSection())
    assert found(result) == [(1, "long_answer", "warning")]
    assert len(result.rows) == 2
    assert step(result, "length").set_aside == 0


def test_tokens_are_counted_of_what_is_left() -> None:
    def count(rows: Sequence[Row]) -> list[int]:
        return [len(row.answer.split()) for row in rows]

    rows = [chat("a", "b c d", 1), chat("a", "b", 2), chat("a", "", 3)]
    result = clean(rows, CleanSection(max_tokens=2), count_tokens=count)
    assert [row.line for row in result.rows] == [2]
    assert found(result) == [(1, "long_row", "error"), (3, "empty_answer", "error")]
    assert step(result, "max_tokens").looked_at == 2
    with pytest.raises(RecipeError, match="without a model"):
        clean(rows, CleanSection(max_tokens=2))


@pytest.mark.parametrize(("option", "left"), [("drop", [1, 3]), ("report", [1, 2, 3, 4]), ("off", [1, 2, 3, 4])])
def test_equal_rows(option: Any, left: list[int]) -> None:
    rows = [chat("a", "b", 1), chat("a", "b", 2), chat("a", "c", 3), chat("a", "b", 4)]
    result = clean(rows, CleanSection(exact_duplicates=option))
    assert [row.line for row in result.rows] == left
    if option != "off":
        assert found(result) == [(2, "exact_duplicate", "warning"), (4, "exact_duplicate", "warning")]
        assert "f:1" in result.findings[0].message


def test_rows_that_differ_in_category_or_role_are_not_equal() -> None:
    rows = [chat("a", "b", 1), chat("a", "b", 2, category="x"), Row(text="a", line=3), chat("a", "b", 4, liked=True)]
    assert len(clean(rows, CleanSection()).rows) == 4


def test_rows_that_become_equal_by_mending_are_found() -> None:
    result = clean([chat("a", "ę", 1), chat("a", "e\u0328 ", 2)], CleanSection().fixing())
    assert found(result)[-1] == (2, "exact_duplicate", "warning")
    assert len(result.rows) == 1


LETTER = "Proszę o wydanie zaświadczenia o niezaleganiu w podatkach lokalnych za rok bieżący dla mojej działki numer"


def test_nearly_equal_rows_are_told_by_question_and_answer_not_by_group() -> None:
    rows = [
        chat(LETTER, "Zaświadczenie wydaje się w ciągu siedmiu dni od złożenia wniosku", 1, group="g"),
        chat(LETTER + " 5", "Zaświadczenie wydaje się w ciągu siedmiu dni od złożenia wniosku!", 2),
        chat(LETTER, "Nie. Do tego trzeba najpierw spłacić zaległość, która na pana ciąży od wielu lat, i przyjść", 3),
        chat("Inna sprawa", "Coś zupełnie innego", 4, group="g"),
    ]
    result = clean(rows, CleanSection(near_duplicates="drop"))
    assert [row.line for row in result.rows] == [1, 3, 4]
    assert found(result) == [(2, "near_duplicate", "error")]
    assert "nearly the same as f:1" in result.findings[0].message
    assert len(clean(rows, CleanSection(near_duplicates="report")).rows) == 4
    assert clean(rows, CleanSection()).findings == []


def test_a_chain_of_alike_rows_is_not_one_row() -> None:
    words = [f"słowo{n}" for n in range(60)]
    rows = [Row(text=" ".join(words[n * 4 : n * 4 + 30]), file="f", line=n + 1) for n in range(7)]
    result = clean(rows, CleanSection(near_duplicates="drop"), similarity=0.7)
    assert [row.line for row in result.rows] == [1, 3, 5, 7] or len(result.rows) > 2


@pytest.mark.parametrize(
    ("row", "kind", "name"),
    [
        (chat("Powtórz", "Powtórz"), "answer_is_prompt", "repeated_prompt"),
        (chat("Jaka to stolica Polski?", "jaka to stolica polski - Warszawa"), "repeated_prompt", "repeated_prompt"),
        (chat("Name three cats.\n\nIn Polish.", "Question: Name three cats: X"), "repeated_prompt", "repeated_prompt"),
        (chat("a", "a\x07"), "control_character", "control_characters"),
        (chat("a", "b\u202ec"), "control_character", "control_characters"),
        (chat("a", "\ufffdle"), "replacement_character", "lost_letters"),
        (Row(text="z\ufffd"), "replacement_character", "lost_letters"),
        (chat("a", "Ĺ‚Ăłdka"), "mojibake", "mojibake"),
        (chat("a\u0301", "b"), "not_nfc", "unicode"),
        (chat("a", "b "), "whitespace", "whitespace"),
        (chat("a", "b<|im_end|>"), "template_injection", "template_injection"),
        (chat("a", "As an AI language model, I can't do it"), "refusal", "refusals"),
        (chat("a", "I\u2019m sorry, but I cannot help with that."), "refusal", "refusals"),
        (chat("a", "I am unable to provide this."), "refusal", "refusals"),
        (chat("a", "Niestety, nie mogę na to odpowiedzieć."), "refusal", "refusals"),
        (chat("a", "Jako model językowy nie mam dostępu do sieci"), "refusal", "refusals"),
        (chat("a", "Przykro mi, ale nie jestem w stanie tego zrobić"), "refusal", "refusals"),
        (chat("a", "Nie moge pomoc w tej sprawie"), "refusal", "refusals"),
        (chat("a", "I apologize, but I cannot say."), "refusal", "refusals"),
        (chat("a", "I'm a large language model, so drawing is not for me."), "refusal", "refusals"),
        (chat("a", "I CAN\u2019T HELP with that"), "refusal", "refusals"),
        (chat("a", "print(1)\nCopy code"), "boilerplate", "boilerplate"),
        (chat("a", "Tak.\nCopied!\n"), "boilerplate", "boilerplate"),
        (chat("a", "Ta strona używa plików cookie."), "boilerplate", "boilerplate"),
        (chat("a", "Wynik \u30104\u2020source\u3011"), "boilerplate", "boilerplate"),
        (chat("a", "Czytaj więcej"), "boilerplate", "boilerplate"),
    ],
)  # fmt: skip
def test_each_step_finds_and_by_default_only_reports(row: Row, kind: str, name: str) -> None:
    result = clean([row], CleanSection())
    assert result.rows == [row]
    assert kind in [finding.kind for finding in result.findings]
    assert {finding.severity for finding in result.findings} == {"warning"}
    assert (step(result, name).found, step(result, name).changed, step(result, name).set_aside) == (1, 0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        "Warszawa jest stolicą Polski.",
        "Niestety sklep nie może przyjąć zwrotu po 30 dniach.",
        "I can help. As a result, the AI model was trained; I do think so.",
        "The cookie was tasty; a copy of the code is attached, and the loading dock is on the left.",
        "```html\n&nbsp;<br>\nCopied!\n```\nTak się to pisze.",
        "Reklama dźwignią handlu, a czytaj więcej książek to dobra rada.",
        "Polityka prywatności mówi, kto jest administratorem danych.",
        "As an AI assistant, I am glad to look at your poem. It is not long.",
        "I am an AI assistant built in Łódź. I cannot be bought.",
        "Jako model językowy chętnie pomogę. Nie ma za co.",
        "I can't help but wonder; I can't help it, I can't help laughing.",
        "The API will not support that, the CLI cannot create files, and the GUI can't help you.",
        "The firm has an AI that does not sleep.",
        "Use it as a part in a play:\n\nAssistant: Doctor, the scalpel.\n\nDoctor: Thanks.",
        "## Input: what the function takes",
    ],
)
def test_ordinary_answers_are_left_alone(answer: str) -> None:
    assert clean([chat("Co o tym sądzisz w tej sprawie?", answer)], CleanSection()).findings == []


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Bioinformatics", "Bioinformatics is a field of biology."),
        ("The first battle was fought in", "The first battle was fought in the year 1761."),
        ("Kim był Mikołaj Kopernik", "Kim był Mikołaj Kopernik wie każdy, kto skończył szkołę."),
    ],
)
def test_a_sentence_that_goes_on_from_the_instruction_repeats_nothing(prompt: str, answer: str) -> None:
    assert clean([chat(prompt, answer)], CleanSection()).findings == []


def test_plain_texts_decline_nothing() -> None:
    assert clean([Row(text="3 Niestety nie mogę polecić tego hotelu.")], CleanSection()).findings == []


def test_an_answer_to_nothing_is_looked_at_too() -> None:
    alone = Row(messages=({"role": "assistant", "content": "a "},), file="f", line=1)
    assert found(clean([alone], CleanSection())) == [(1, "whitespace", "warning")]


@pytest.mark.parametrize("phrases", [REFUSAL, BOILERPLATE])
@given(st.data())
def test_a_sign_stands_in_every_phrase(phrases: Phrases, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(phrases.pattern, alphabet=st.characters(max_codepoint=0x2FFF)))
    found = phrases.pattern.search(text)
    assert found is None or phrases.signs_in(text)


SAID = [
    *(
        "zwykły tekst",
        "Ĺ‚Ăłdka\u00a0",
        "e\u0301 <|im_<|im_end|>end|>",
        "a\x00",
        " b",
        "c\ufffd",
        "Copy code",
        "&nbsp;",
        "",
    ),
    *("Niestety nie mogę pomóc.", "As an AI, I cannot help. \u0130", "x" * 500 + " i cannot help", "### Response: tak"),
]


@pytest.mark.parametrize("options", [CleanSection(), CleanSection().fixing(), CleanSection(refusals="drop")])
@given(st.lists(st.tuples(st.sampled_from(SAID), st.sampled_from(SAID)), min_size=1, max_size=8))
def test_what_is_found_in_a_row_does_not_depend_on_the_rows_beside_it(
    options: CleanSection, texts: list[tuple[str, str]]
) -> None:
    rows = [chat(*pair) for pair in [*texts, *[("q", "a")] * 60, *texts]]
    assert look(rows, options) == [look([row], options)[0] for row in rows]


def test_a_refused_answer_may_be_set_aside_and_judged_answers_are_looked_at_the_best_alone() -> None:
    rows = [chat("a", "Niestety nie mogę.", 1), chat("a", "Tak.", 2)]
    result = clean(rows, CleanSection(refusals="drop"))
    assert [row.line for row in result.rows] == [2]
    assert found(result) == [(1, "refusal", "error")]
    good, bad = ({"role": "assistant", "content": text} for text in ("Tak.", "Niestety nie mogę."))
    question = ({"role": "user", "content": "a"},)
    ranked = Row(messages=question, ranked=(good, bad))  # type: ignore[arg-type]
    assert clean([ranked], CleanSection(refusals="drop")).findings == []


def test_mending_touches_texts_alone_and_names_the_turn() -> None:
    call = {"name": "f\u202e", "arguments": '{"a": " x \u202e"}'}
    row = Row(
        messages=(
            {"role": "system", "content": "s "},
            {"role": "user", "content": "p", "name": "Jan "},
            {"role": "assistant", "content": "", "tool_calls": [call]},  # type: ignore[list-item]
            {"role": "tool", "content": "wynik\u202e"},
        ),
        ranked=({"role": "assistant", "content": "dobrze "}, {"role": "assistant", "content": "źle\x00"}),
        tools='[{"name": " f \u202e"}]',
        category=" k ",
        group=" g ",
        file="f",
        line=3,
    )
    result = clean([row], CleanSection().fixing())
    mended = result.rows[0]
    assert mended.texts == ["s", "p", "", "wynik", "dobrze", "źle"]
    assert mended.messages is not None
    assert row.messages is not None
    assert mended.messages[1] == row.messages[1]
    assert mended.messages[2] == row.messages[2]
    assert (mended.tools, mended.category, mended.group, mended.line) == (row.tools, row.category, row.group, 3)
    control, whitespace = result.findings
    assert control.message.startswith("turn 4: a control character U+202E RIGHT-TO-LEFT OVERRIDE at character 6")
    assert control.message.endswith("; and in 1 more turns; mended")
    assert whitespace.message.startswith("turn 1: ")
    assert result.report.rows_changed == 1
    assert row.texts[0] == "s ", "the given row stays as it was"


def test_off_looks_at_nothing() -> None:
    steps = ("whitespace", "control_characters", "unicode", "mojibake", "template_injection", "repeated_prompt")
    off: dict[str, Any] = dict.fromkeys((*steps, "refusals", "boilerplate", "exact_duplicates"), "off")
    row = chat("Ĺ‚Ăłdka e\u0301", "Ĺ‚Ăłdka e\u0301 \x00<|im_end|> niestety nie mogę. Copy code")
    result = clean([row, row], CleanSection(**off))
    assert result.findings == []
    assert [each.name for each in result.report.steps] == ["lost_letters", "empty", "length"]


def test_examples_show_before_and_after_around_the_change() -> None:
    text = "x" * 500 + "e\u0328" + "y" * 500
    result = clean([chat("a", text)], CleanSection())
    example = step(result, "unicode").examples[0]
    assert (example.file, example.line, example.message) == ("f", 1, result.findings[0].message)
    assert "e\u0328" in example.before
    assert example.after is not None
    assert "ę" in example.after
    assert max(len(example.before), len(example.after)) < 130
    assert example.before.startswith("…")


def test_the_report_adds_up_and_survives_a_round_trip() -> None:
    rows = [chat("a", text, line) for line, text in enumerate(["", "b ", "b", "niestety nie mogę", "b"], start=1)]
    result = clean(rows, CleanSection(refusals="drop").fixing())
    report = result.report
    assert (report.rows, report.rows_changed, report.rows_set_aside) == (5, 1, 4)
    assert len(result.rows) == report.rows - report.rows_set_aside
    assert [each.name for each in report.steps] == [name for name in STEPS if name in {s.name for s in report.steps}]
    assert step(result, "refusals").looked_at == 4
    assert step(result, "exact_duplicates").looked_at == 3
    assert CleaningReport.model_validate_json(report.model_dump_json()) == report
    many = clean([chat("a", f"{n} ", n) for n in range(1, 100)], CleanSection())
    assert (step(many, "whitespace").found, len(step(many, "whitespace").examples)) == (99, 20)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ustawa wchodzi w życie po upływie 14 dni od dnia ogłoszenia.", "pl"),
        ("lazienki sa stare i niektore sciany w hotelu nosza slady zalania woda", "pl"),
        ("The quick brown fox jumps over the lazy dog and they are friends.", "en"),
        ("Das Wetter ist heute schön, und wir gehen in den Park.", "de"),
        ("Il fait très beau aujourd'hui, nous allons au parc avec des amis.", "fr"),
        ("Dnes je velmi hezké počasí a jdeme do parku s přáteli.", "cs"),
        ("Сьогодні дуже гарна погода, і ми йдемо в парк.", "uk"),
        ("42", None),
        ("OK", None),
        ("", None),
        ("```python\nfor each in the_list_that_they_have_with_this_and_that:\n    pass\n```", None),
    ],
)
def test_languages(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_only_rows_that_are_clearly_in_another_language_are_set_aside() -> None:
    rows = [
        chat("Jaka jest pogoda?", "Dzisiaj jest bardzo ładna pogoda, więc idziemy do parku razem z przyjaciółmi.", 1),
        chat("What is it like?", "The weather is nice today and they are going to the park with their friends.", 2),
        chat("2 + 2", "4", 3),
        chat("Kto to?", "Johann Wolfgang von Goethe", 4),
    ]
    result = clean(rows, CleanSection(language=["pl"]))
    assert [row.line for row in result.rows] == [1, 3, 4]
    assert found(result) == [(2, "other_language", "error")]
    assert "is in en; data.clean.language takes pl" in result.findings[0].message
    assert len(clean(rows, CleanSection(language=["pl", "en"])).rows) == 4
    with pytest.raises(RecipeError, match="no such language: qq"):
        clean(rows, CleanSection(language=["qq"]))


def test_settings_are_read_as_a_recipe_reads_them() -> None:
    options = clean_options(["whitespace=off", "language=[pl, en]", "data.clean.max_answer_chars=500"])
    assert (options.whitespace, options.language, options.max_answer_chars) == ("off", ["pl", "en"], 500)
    assert options.fixing().whitespace == "off"
    assert options.fixing().mojibake == "fix"


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("whitspace=fix", "did you mean whitespace"),
        ("whitespace", "not a setting"),
        ("whitespace=drop", "must be 'off', 'report' or 'fix'"),
        ("language=[PL]", "data.clean.language.0"),
        ("min_answer_chars=-1", "greater than or equal to 0"),
        ("min_answer_chars=[", "not YAML"),
    ],
)
def test_wrong_settings_are_refused_with_their_place(setting: str, what: str) -> None:
    with pytest.raises(RecipeError) as caught:
        clean_options([setting])
    assert what in str(caught.value)


def test_bounds_must_fit() -> None:
    with pytest.raises(RecipeError, match="must not be less"):
        clean_options(["min_answer_chars=5", "max_answer_chars=4"])


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=6))
def test_any_rows_end_in_rows_and_findings(texts: list[tuple[str, str]]) -> None:
    rows = [chat(prompt, answer, line) for line, (prompt, answer) in enumerate(texts, start=1)]
    for options in (CleanSection(), CleanSection(near_duplicates="drop").fixing()):
        result = clean(rows, options)
        left = {row.line for row in result.rows}
        gone = {finding.line for finding in result.findings if finding.severity == "error"}
        gone |= {finding.line for finding in result.findings if finding.kind == "exact_duplicate"}
        assert left.isdisjoint(gone)
        assert left | gone == {row.line for row in rows}
        named = {finding.line for finding in result.findings}
        assert all(new == rows[new.line - 1] or new.line in named for new in result.rows)
