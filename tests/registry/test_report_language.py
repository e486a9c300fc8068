"""Catalogues that are whole, and numbers as each language writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from report_sample import bare, sample

from kamerton.ground.errors import RequestError
from kamerton.registry.report import build_document, render_html, render_markdown
from kamerton.registry.report.language import LANGUAGES, LOCALE, Language

SAME_IN_BOTH = {"Model", "Test", "System", "n = {count}"}
"""Polish texts that are rightly spelt as the English ones."""


def catalogue(code: str) -> Any:
    with (LOCALE / code / "LC_MESSAGES" / "kamerton.po").open("rb") as file:
        return read_po(file, locale=code)


def texts_of(found: Any) -> dict[tuple[str, ...], tuple[str, ...]]:
    """All ids of each message, singular first, and all its texts; babel reads them as a text, a list or a tuple."""

    def every(texts: Any) -> tuple[str, ...]:
        return (texts,) if isinstance(texts, str) else tuple(texts)

    return {every(message.id): every(message.string) for message in found if message.id}


def messages(code: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Ids and texts by the first id."""
    return {ids[0]: (ids, texts) for ids, texts in texts_of(catalogue(code)).items()}


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Every text that the source marks, by its first id."""
    with (LOCALE / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    keywords: dict[str, Any] = {"say": None, "say_n": (1, 2), "mark": None}
    rows = extract_from_dir(LOCALE.parent, methods, options, keywords)
    return {found[0] if isinstance(found, tuple) else found for _, _, found, _, _ in rows}


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_catalogue_has_what_the_source_uses_and_nothing_else(code: str, used: set[str]) -> None:
    assert len(used) > 200
    assert set(messages(code)) == used


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_text_is_there_with_its_placeholders(code: str) -> None:
    for ids, texts in messages(code).values():
        wanted = {frozenset(re.findall(r"\{\w+\}", text)) for text in ids}
        assert all(texts), ids
        assert len(texts) == (1 if len(ids) == 1 else {"en": 2, "pl": 3}[code])
        for text in texts:
            # One form may leave the number out ("the rule holds").
            assert frozenset(re.findall(r"\{\w+\}", text)) in wanted, text


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_compiled_catalogue_is_that_of_its_source(code: str) -> None:
    with (LOCALE / code / "LC_MESSAGES" / "kamerton.mo").open("rb") as file:
        compiled = texts_of(read_mo(file))
    assert compiled == texts_of(catalogue(code))


def test_english_repeats_its_ids() -> None:
    assert all(ids == texts for ids, texts in messages("en").values())


def test_polish_is_polish() -> None:
    same = {ids[0] for ids, texts in messages("pl").values() if ids[0] == texts[0]}
    wordless = {text for text in same if not re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", text))}
    assert same - wordless == SAME_IN_BOTH - wordless


def test_no_english_is_left_in_a_polish_report() -> None:
    sentences = [
        text
        for ids, _ in messages("pl").values()
        for text in ids
        if " " in text and "{" not in text and text not in SAME_IN_BOTH
    ]
    assert len(sentences) > 80
    for inputs in (sample(), sample(passed=False), bare()):
        document = build_document(inputs)
        for page in (render_html(document, "pl"), render_markdown(document, "pl")):
            found = [text for text in sentences if text in page]
            assert [text for text in found if re.search(rf"\b{re.escape(text)}\b", page)] == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 wierszy"),
        (1, "1 wiersz"),
        (2, "2 wiersze"),
        (5, "5 wierszy"),
        (12, "12 wierszy"),
        (22, "22 wiersze"),
        (112, "112 wierszy"),
        (10_004, "10\u00a0004 wiersze"),
    ],
)
def test_polish_plurals(count: int, text: str) -> None:
    assert Language("pl").say_n("{count} row", "{count} rows", count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (1234, "1,234 rows")])
def test_english_plurals(count: int, text: str) -> None:
    assert Language("en").say_n("{count} row", "{count} rows", count) == text


@pytest.mark.parametrize(
    ("english", "polish", "write"),
    [
        ("0.894", "0,894", lambda words: words.number(0.8941, 3)),
        ("1,234,567.5", "1\u00a0234\u00a0567,5", lambda words: words.number(1_234_567.5, 1)),
        ("9,999", "9999", lambda words: words.count(9999)),
        ("−1.50", "−1,50", lambda words: words.number(-1.5)),
        ("0.0", "0,0", lambda words: words.number(-0.01, 1, signed=True)),
        ("+2.0", "+2,0", lambda words: words.number(2, 1, signed=True)),
        ("—", "—", lambda words: words.number(None)),
        ("89.4%", "89,4\u00a0%", lambda words: words.percent(0.894)),
        ("—", "—", lambda words: words.percent(None)),
        ("95%", "95\u00a0%", lambda words: words.level(0.95)),
        ("97.5%", "97,5\u00a0%", lambda words: words.level(0.975)),
        ("p\u00a0<\u00a00.001", "p\u00a0<\u00a00,001", lambda words: words.p_value(0.0004)),
        ("p\u00a0=\u00a00.013", "p\u00a0=\u00a00,013", lambda words: words.p_value(0.0131)),
        ("—", "—", lambda words: words.p_value(None)),
        ("2\u00a0×\u00a010⁻⁵", "2\u00a0×\u00a010⁻⁵", lambda words: words.significant(2e-5)),
        ("0.001", "0,001", lambda words: words.significant(0.001)),
        ("0", "0", lambda words: words.significant(0.0)),
        ("123", "123", lambda words: words.significant(123.4)),
        ("8.4\u00a0s", "8,4\u00a0s", lambda words: words.duration(8.44)),
        ("3\u00a0min 12\u00a0s", "3\u00a0min 12\u00a0s", lambda words: words.duration(192)),
        ("2\u00a0h 5\u00a0min", "2\u00a0h 5\u00a0min", lambda words: words.duration(7500)),
        (
            "1 March 2026, 23:30 UTC",
            "1 marca 2026, 23:30 UTC",
            lambda words: words.moment("2026-03-02T00:30:00+01:00").replace("\u00a0", " "),
        ),
        ("yesterday", "yesterday", lambda words: words.moment("yesterday")),
    ],
)
def test_numbers_and_times(english: str, polish: str, write: Any) -> None:
    assert write(Language("en")) == english
    assert write(Language("pl")) == polish


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(RequestError, match="no report language 'fr'"):
        Language("fr")


def test_the_catalogues_lie_inside_the_package() -> None:
    assert Path(__file__).parents[2].joinpath("src", "kamerton", "locale") == LOCALE


@pytest.mark.parametrize(
    ("share", "english", "polish"),
    [
        (0.00001, "<0.01%", "<0,01\xa0%"),
        (0.99999, ">99.99%", ">99,99\xa0%"),
        (0.0, "0.00%", "0,00\xa0%"),
        (None, "—", "—"),
    ],
)
def test_a_small_share_is_not_none(share: float | None, english: str, polish: str) -> None:
    assert (Language("en").share(share), Language("pl").share(share)) == (english, polish)
