"""The page of a data report: complete, escaped, in both languages, with one script that is known by its hash."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from test_report_html import Reader, read

from kamerton.data.check import report
from kamerton.data.cleaning import clean
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.leaks import contamination_of_sets, leak_report
from kamerton.data.privacy import protect
from kamerton.data.reading import ReadResult
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult
from kamerton.data.statistics import CheckContext
from kamerton.ground.errors import RequestError
from kamerton.recipe import CheckSection, CleanSection, LeakSection, PrivacySection
from kamerton.records.augmentation import AugmentationExample, AugmentationReport, AugmentationStep
from kamerton.records.data import DataReport, Finding, SourceReport
from kamerton.registry.report import render_data_html

ATTACK = "</script><script>alert('ż')</script><img src=x onerror=alert(1)>{{ 7*7 }}"

MADE = AugmentationStep(
    kind="noise",
    rows=9,
    made=7,
    refused={"held_out": 2, "duplicate": 1, ATTACK: 5},
    examples=[AugmentationExample(file=f"{ATTACK}/f.jsonl", line=3, before=ATTACK, after=f"{ATTACK} after")],
)


def ask(question: str, answer: str, line: int, category: str = "") -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Row(messages=turns, category=category, file=f"{ATTACK}/f.jsonl", line=line)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hostile() -> DataReport:
    """A report of which every text came from somebody who wishes us ill."""
    words = ["most", "rzeka", "droga", "dom", "las", "pole", "miasto", "wieś"]
    rows = [
        ask(f"{ATTACK} {words[n % 8]} {n} {words[n % 3]}", f"{words[n % 5]} {ATTACK} {n}", n, ATTACK) for n in range(40)
    ]
    rows += [ask(f"{ATTACK} to samo", "tak", 41, "inne"), ask(f"{ATTACK} to samo", f"nie {ATTACK}", 42, "inne")]
    rows += [ask("Mój PESEL to 44051401359, a telefon +48 601 234 567", "dobrze \u200b", 43, "inne")]
    cleaned = clean(rows, CleanSection())
    private = protect(cleaned.rows, PrivacySection())
    options = LeakSection(canaries=5)
    results = contamination_of_sets(private.rows, {ATTACK: rows[:8]}, options)
    context = CheckContext(
        privacy=private.report,
        leaks=leak_report(private.rows, results, options),
        augmentation=AugmentationReport(steps=[MADE], made=7),
        parted=False,
    )
    finding = Finding(file=ATTACK, line=0, kind=ATTACK, message=ATTACK)
    source = SourceReport(
        file=ATTACK, rows_read=44, rows_ok=43, shape=ATTACK, shape_reason=ATTACK, encoding=ATTACK, sha256=ATTACK
    )
    found = type(cleaned)(private.rows, [*cleaned.findings, *private.findings, finding], cleaned.report)
    return report(
        ReadResult(rows, [], [source]),
        found,
        near_duplicate_clusters(private.rows, 0.7),
        SplitResult(private.rows, [], []),
        CheckSection(min_train_rows=1000, min_test_rows=0),
        context,
    )


@pytest.fixture(scope="module", params=["en", "pl"])
def page(request: pytest.FixtureRequest, hostile: DataReport) -> str:
    return render_data_html(hostile, request.param)


def test_what_comes_from_data_stays_text(page: str) -> None:
    reader = read(page)
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert {"img", "iframe", "link", "object", "embed"}.isdisjoint(tag for tag, _ in reader.tags)
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert "alert('ż')" in "".join(reader.text)
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(\d+)", page)


def test_the_only_script_is_the_one_that_the_policy_names(page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    named = policy[1].replace("&#39;", "'").replace("&#43;", "+")
    assert named == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert re.findall(r"https?://[^\"' <]+", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "url(" not in page


def test_all_chapters_are_there_and_linked(page: str) -> None:
    reader: Reader = read(page)
    ids = {attributes["id"] for tag, attributes in reader.tags if tag == "section"}
    assert ids == {
        *("checklist", "files", "findings", "cleaning", "privacy", "leaks", "augmentation"),
        *("sizes", "balance", "diversity", "noise"),
    }
    assert {str(attributes["href"])[1:] for tag, attributes in reader.tags if tag == "a"} == ids


def test_personal_data_stands_nowhere(page: str) -> None:
    assert "44051401359" not in page
    assert "601 234 567" not in page


def test_the_verdict_is_first(page: str, hostile: DataReport) -> None:
    assert page.index('class="verdict bad"') < page.index('id="checklist"')
    assert not hostile.passed


@pytest.mark.parametrize(
    ("language", "told"), [("en", "the train part has 43 rows"), ("pl", "wiersze części uczącej: 43")]
)
def test_the_checklist_speaks_the_language(hostile: DataReport, language: str, told: str) -> None:
    assert told in render_data_html(hostile, language)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["7 new training rows", "alike a row of validation or test: 2", "said already: 1"]),
        ("pl", ["utworzonych z innych: 7", "podobne do wiersza walidacyjnego lub testowego: 2", "powtórzone: 1"]),
    ],
)
def test_augmentation_tells_what_was_made_and_what_was_refused(
    hostile: DataReport, language: str, told: list[str]
) -> None:
    reader = read(render_data_html(hostile, language))
    text = " ".join("".join(reader.text).split())
    assert [sentence for sentence in told if sentence not in text] == []
    assert f"{ATTACK} after" in "".join(reader.text)


def test_a_long_list_says_what_it_leaves_out(hostile: DataReport) -> None:
    many = [Finding(file="f", line=n, kind="broken_json", message="x") for n in range(1, 1001)]
    text = render_data_html(hostile.model_copy(update={"findings": many}), "en")
    assert "And 800 more; the JSON report has all." in text
    assert "f:200" in text
    assert "f:201" not in text


def test_a_report_of_an_earlier_version_is_still_a_page(hostile: DataReport) -> None:
    added = {"checklist", "cleaning", "privacy", "leaks", "augmentation", "statistics"}
    old: Any = hostile.model_dump(mode="json", exclude=added)
    earlier = DataReport.model_validate(old)
    assert all(not getattr(earlier, name) for name in added)
    text = render_data_html(earlier, "en")
    assert "the train part has 43 rows; data.check.min_train_rows is 1000" in text
    ids = {attributes["id"] for tag, attributes in read(text).tags if tag == "section"}
    assert ids == {"files", "findings"}


def test_a_message_that_is_none_of_ours_is_shown_as_it_was_written(hostile: DataReport) -> None:
    odd = hostile.checklist[0].model_copy(update={"message": "{missing} {0}", "text": "as it was"})
    assert "as it was" in render_data_html(hostile.model_copy(update={"checklist": [odd]}), "pl")


def test_an_unknown_language_is_refused(hostile: DataReport) -> None:
    with pytest.raises(RequestError, match="no report language 'de'"):
        render_data_html(hostile, "de")
