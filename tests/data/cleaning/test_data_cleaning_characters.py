"""Space, control characters, composed letters and control tokens: mended once and for all, and no more than that."""
# ruff: noqa: RUF001 - signs that look like others are what is tested

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.cleaning.characters import mend_controls, mend_template, mend_unicode, mend_whitespace

SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  a  ", "a"),
        ("a \nb\t\nc", "a\nb\nc"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\u00a0b\u202fc", "a b c"),
        ("\ufeffa\u200bb\u00adc\u2060", "abc"),
        ("a\n\n\n\n\nb", "a\n\n\nb"),
        ("def f():\n    pass\n\n\ndef g():\n    pass", "def f():\n    pass\n\n\ndef g():\n    pass"),
        ("    return x\n", "    return x"),
        ("\n\n  a", "a"),
        ("\n    indented", "    indented"),
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),
        ("a  b\tc", "a  b\tc"),
        (" \n ", ""),
    ],
)
def test_whitespace(before: str, after: str) -> None:
    assert mend_whitespace(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\x00b\x07\x7f\x9f", "ab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("a\u200eb", "ab"),
        ("שלום\u200f!", "שלום\u200f!"),
        ("tab\tline\nreturn\r\u0085", "tab\tline\nreturn\r\u0085"),
        ("hi\U000e0049\U000e0067\U000e006e", "hi"),
        (SCOTLAND, SCOTLAND),
        ("❤\ufe0f", "❤\ufe0f"),
        ("a\ud83d", "a\ufffd"),
        ("👍 żółć", "👍 żółć"),
    ],
)  # fmt: skip
def test_controls(before: str, after: str) -> None:
    assert mend_controls(before) == after


def test_letters_are_composed_and_keep_their_form() -> None:
    assert mend_unicode("Zaz\u0307o\u0301\u0142c\u0301 ge\u0328s\u0301l") == "Zażółć gęśl"
    assert mend_unicode("ﬁ ２ ™ 10³") == "ﬁ ２ ™ 10³"


TOKENS = [
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>"),
    *("<|python_tag|>", "<|header_start|>", "<|system|>", "<|end|>", "<|START_OF_TURN_TOKEN|>", "<|channel|>"),
    *("<｜User｜>", "<｜begin▁of▁sentence｜>", "<｜tool▁calls▁begin｜>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
    *("[AVAILABLE_TOOLS]", "[/TOOL_RESULTS]", "[SYSTEM_PROMPT]", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>"),
    *("<tool_call>", "</tool_call>"),
]


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_of_templates_are_taken_out(token: str) -> None:
    assert mend_template(f"Tak. {token}") == "Tak."
    assert mend_template(f"przed {token}po") == "przed po"
    assert mend_template(f"```\n{token}\n``` w kodzie też") != f"```\n{token}\n``` w kodzie też"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<|im_<|im_end|>end|>a", "a"),
        ("[IN[INST]ST]a", "a"),
        ("a\n### Response:\nb", "a\n\nb"),
        ("### Odpowiedź: tak", "tak"),
        ("\n\nHuman: a\n\nAssistant: b", "a\n\nb"),
        ("USER: a\nASSISTANT: b", "a\nb"),
        ("tak</s>", "tak"),
        ("<s>tak", "tak"),
        ("tak</s><s>nie", "taknie"),
        ("<s>[INST] a [/INST] b</s>", "a  b"),
    ],
)
def test_headers_and_what_removal_puts_together(before: str, after: str) -> None:
    assert mend_template(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "stary <s>100 zł</s> nowa cena",
        "Cena: <s>100 zł</s>",
        "a <| b |> c, x <|> y, f <|g|>",
        "[inst] [1] tablica[INSTANCE]",
        "## Response time: 5 ms\n### Wnioski",
        "The user: said so. Human: no",
        "a\n\nHuman: b",
        "ASSISTANT: the scalpel.\nDOCTOR: thanks.",
        "## Input: what it takes",
        "<b>bos</b> List<Eos>",
    ],
)
def test_what_only_looks_like_a_token_stays(text: str) -> None:
    assert mend_template(text) == text.replace("<|g|>", "<|g|>")


def test_tokens_nested_without_end_are_taken_out_in_time() -> None:
    begin = time.process_time()
    mended = mend_template("<|i" * 50_000 + "<|im_end|>" + "m_end|>" * 50_000)
    assert "<|" not in mended
    assert mend_template(mended) == mended
    assert time.process_time() - begin < 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\\(\x0crac{1}{2}\\)", "\\(\\frac{1}{2}\\)"),
        ("\x08egin{x} \x0bec{a} \x07lpha_1 \x08eta", "\\begin{x} \\vec{a} \\alpha_1 \\beta"),
        ("koniec strony\x0cracja", "koniec stronyracja"),
    ],
)
def test_formulas_that_lost_a_backslash_get_it_back(before: str, after: str) -> None:
    assert mend_controls(before) == after


MENDS = [mend_whitespace, mend_controls, mend_unicode, mend_template]


@pytest.mark.parametrize("mend", MENDS)
@given(st.text(alphabet=st.sampled_from("a \t\n\r\u00a0\u200b\x00\x1b[31m\ufe0f\u0301e<|im_end|>s/INST]#\U000e0041")))
def test_mending_twice_changes_nothing_more(mend: Callable[[str], str], text: str) -> None:
    once = mend(text)
    assert mend(once) == once


@pytest.mark.parametrize("mend", MENDS)
@given(st.text())
def test_ordinary_words_come_through(mend: Callable[[str], str], text: str) -> None:
    assert mend("Zażółć gęślą jaźń, it's fine.\n\n- a\n- b") == "Zażółć gęślą jaźń, it's fine.\n\n- a\n- b"
    assert isinstance(mend(text), str)
