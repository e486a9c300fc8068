"""Markdown: the same facts, no markup from data."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_sample import bare, run, sample, with_first_item

from kamerton.registry.report import build_document, render_markdown

ATTACK = "<script>alert(1)</script> [x](http://evil.example) | **b** `c`\n# heading"


@pytest.mark.parametrize("language", ["en", "pl"])
def test_headings_verdict_and_numbers_are_there(language: str) -> None:
    text = render_markdown(build_document(sample()), language)
    assert text.startswith("# urzad\n")
    assert len(re.findall(r"^## ", text, re.MULTILINE)) == 7
    assert {"en": "**✓ Verdict: Passed.**", "pl": "**✓ Werdykt: Pozytywny.**"}[language] in text
    assert text.index("✓") < text.index("## ")
    assert "kamerton rebuild urzad-20261122-061204-7c1e" in text


def test_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    text = render_markdown(build_document(sample()), "en")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1


def test_digests_are_whole() -> None:
    inputs = sample()
    text = render_markdown(build_document(inputs), "en")
    assert inputs.run.result.model_sha256 in text
    assert inputs.run.result.trace_head in text


def test_markup_in_data_is_text() -> None:
    inputs = sample()
    values = dict.fromkeys(inputs.evaluations[0].metrics, 0.0) | {"perplexity": 9.0}
    hurt = with_first_item(inputs, prompt=ATTACK, prediction=f"````\n{ATTACK}", category=ATTACK, values=values)
    hurt = replace(hurt, run=run().model_copy(update={"name": ATTACK}))
    text = render_markdown(build_document(hurt), "en")
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "\\<script\\>" in outside
    assert re.search(r"(?<!\\)<(?!br>)", outside) is None
    assert "](http" not in outside.replace("\\]", "")
    assert "\n# heading" not in outside
    assert "`````text\n````\n<script>" in text


def test_a_bare_run_says_which_command_makes_what_is_missing() -> None:
    text = render_markdown(build_document(bare()), "en")
    assert "No verdict yet" in text
    assert "```text\nkamerton check RECIPE\n```" in text


@pytest.mark.parametrize("language", ["en", "pl"])
def test_contaminated_items_and_the_clean_ones_alone_are_told(language: str) -> None:
    inputs = sample()
    own = inputs.evaluations[0]
    clean = {name: metric.model_copy(update={"value": 0.123}) for name, metric in own.metrics.items()}
    leaked = own.model_copy(update={"contaminated": 7, "subsets": {"clean": clean, "contaminated": clean}})
    plain = render_markdown(build_document(inputs), language)
    text = render_markdown(build_document(replace(inputs, evaluations=[leaked, *inputs.evaluations[1:]])), language)
    said = {"en": "7 items stand in the training rows.", "pl": "7 pozycji znajduje się w wierszach treningowych."}
    assert said[language] in text
    assert said[language] not in plain
    assert {"en": "12.3", "pl": "12,3"}[language] in text.split(said[language])[1].splitlines()[0]
