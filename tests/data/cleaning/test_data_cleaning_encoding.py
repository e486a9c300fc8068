"""Mojibake: Polish comes back from every wrong encoding, and right text stays as it is."""
# ruff: noqa: RUF001 - signs that look like others are what is tested

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.cleaning.encoding import mend_mojibake

SHARED = Path(__file__).parents[4] / "shared" / "data"
SENTENCES = [
    "Zażółć gęślą jaźń i weź się do roboty.",
    "Ustawa wchodzi w życie po upływie 14 dni od dnia ogłoszenia.",
    "Proszę o pomoc, nie działa mi konto.",
    "Źródło: Święta Łucja, Ćwierć Żabki.",
]
WORDS = ["łódka", "źle", "żółw", "są", "się", "będzie", "można", "Łódź", "Śląsk", "ósmy", "ćma", "koń"]


def read_as(text: str, encoding: str, wrong: str) -> str:
    """As browsers read: a byte without a meaning becomes the control character of its number."""
    return "".join(bytes([byte]).decode(wrong, "ignore") or chr(byte) for byte in text.encode(encoding))


@pytest.mark.parametrize("wrong", ["cp1250", "iso-8859-2", "latin-1", "cp1252", "mac-roman", "cp852", "cp437"])
@pytest.mark.parametrize("text", SENTENCES + WORDS)
def test_utf8_that_was_read_as_something_else(text: str, wrong: str) -> None:
    assert mend_mojibake(read_as(text, "utf-8", wrong)) == text


@pytest.mark.parametrize("wrong", ["cp1250", "iso-8859-2", "latin-1", "cp1252"])
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("text", [*SENTENCES, "łódka", "są"])
def test_utf8_that_was_read_wrong_again_and_again(text: str, times: int, wrong: str) -> None:
    spoilt = text
    for _ in range(times):
        spoilt = read_as(spoilt, "utf-8", wrong)
    assert mend_mojibake(spoilt) == text


@pytest.mark.parametrize("text", SENTENCES[:3])
@pytest.mark.parametrize(
    ("encoding", "wrong"),
    [
        ("cp1250", "latin-1"),
        ("cp1250", "cp1252"),
        ("cp1250", "iso-8859-2"),
        ("iso-8859-2", "latin-1"),
        ("iso-8859-2", "cp1252"),
        ("iso-8859-2", "cp1250"),
    ],
)
def test_one_byte_encodings_taken_for_each_other(text: str, encoding: str, wrong: str) -> None:
    assert mend_mojibake(read_as(text, encoding, wrong)) == text


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        ("Ĺ‚Ăłdka", "łódka"),
        ("Å‚Ã³dka", "łódka"),
        ("£ódŸ", "Łódź"),
        ("³ódka", "łódka"),
        ("¶wiat s± ¼le", "świat są źle"),
        ("voilÃ  le travail", "voilà le travail"),
        ("Ja siÄ™ â€žbojÄ™â€ť.", "Ja się „boję”."),
        ("dobrze\nÅºle\ndobrze", "dobrze\nźle\ndobrze"),
        ("He said, â€œHello? Anyone?â€ Then he left.", "He said, “Hello? Anyone?” Then he left."),
        ("â€œCome!â€\n\nâ€œNo.â€, â€œYesâ€", "“Come!”\n\n“No.”, “Yes”"),
    ],
)
def test_known_cases(broken: str, text: str) -> None:
    assert mend_mojibake(broken) == text


@pytest.mark.parametrize(
    "text",
    [
        *SENTENCES,
        "„Łódź” – to §5… ‚tak’ — 20 °C",
        "“Curly” ‘quotes’ stay, ﬁne ligatures and &amp; too",
        "Powierzchnia 5 m³ i 3 cm³, H₂O, 5±3, x±y i jest równy, £100 i £5",
        "x±y",
        "Let a±b be the root of x²",
        "przypis¹ jest tu",
        "słowo¹ jest, słowo² i dalej³",
        "½ ¼ i ¾ szklanki nie wystarczy",
        "¿Qué tal? ¿como estas?",
        "cœur, œuvre, Œuvre jest, naïve café, ñandú, Ægir",
        "Commission royale d’enquête sur le bilinguisme et le to do",
        "Škoda, šach, příliš žluťoučký kůň, Ľubľana",
        "Größe, Äpfel, Übung",
        "Привет, як справи",
        "¯\\_(ツ)_/¯ nie wiem",
        "日本語、ελληνικά, עברית",
        "├── katalog\n│   └── plik",
    ],
)
def test_right_text_stays(text: str) -> None:
    assert mend_mojibake(text) == text


@given(st.text(alphabet="aąbcćdeęłńoósśzźżAĄŁŻ „”–…\n", max_size=60))
def test_no_polish_text_is_touched(text: str) -> None:
    assert mend_mojibake(text) == text


@given(st.text(max_size=80))
def test_any_text_is_mended_without_an_error_and_only_once(text: str) -> None:
    mended = mend_mojibake(text)
    assert isinstance(mended, str)
    if text.isascii():
        assert mended == text


def test_a_long_line_is_mended_in_time() -> None:
    codecs.lookup("utf-8")
    line = read_as("Wpis wchodzi w życie po upływie dni. " * 8000, "utf-8", "cp1250")
    assert "życie" in mend_mojibake(line)


@pytest.mark.skipif(not (SHARED / "messy").is_dir(), reason="needs the messy files beside the project")
def test_the_cases_of_ftfy_come_out_as_it_says() -> None:
    folder = SHARED / "messy" / "ftfy-mojibake"
    for name in ("negative", "synthetic", "language-names"):
        for case in json.loads((folder / f"{name}.json").read_text(encoding="utf-8")):
            if case["expect"] == "pass":
                # `fixed` is after all repairs of ftfy; only that of the encoding is wanted.
                wanted = case.get("fixed-encoding", case["fixed"])
                assert mend_mojibake(case["original"]) == wanted, case["label"]
