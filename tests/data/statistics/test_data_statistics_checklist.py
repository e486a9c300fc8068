"""The checklist: each threshold fails the check, and what nobody measured is not called fine."""

from __future__ import annotations

from typing import Any

import pytest

from kamerton.data.check import report
from kamerton.data.cleaning import CleanResult, clean
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.reading import ReadResult
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult
from kamerton.data.statistics import CheckContext
from kamerton.recipe import CheckSection, CleanSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection
from kamerton.records.data import DataReport
from kamerton.records.leaks import CanaryResult, LeakReport, LeakSet
from kamerton.records.privacy import PrivacyReport

LOOSE = CheckSection(min_train_rows=1, min_test_rows=0)


def ask(number: int, answer: str = "", category: str = "") -> Row:
    question = f"Pytanie o sprawę {number} {'abcdefghij'[number % 10] * (number % 7 + 1)}"
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer or f"odpowiedź {number}"})
    return Row(messages=turns, category=category, file="f", line=number)  # type: ignore[arg-type]


def checked(
    train: list[Row], test: list[Row] | None = None, thresholds: CheckSection = LOOSE, **context: Any
) -> DataReport:
    rows = [*train, *(test or [])]
    cleaned = clean(rows, CleanSection(exact_duplicates="off"))
    parts = SplitResult(train, [], test or [])
    clusters = near_duplicate_clusters(cleaned.rows, 0.7)
    return report(ReadResult(rows, [], []), cleaned, clusters, parts, thresholds, CheckContext(**context))


def states(found: DataReport, name: str) -> list[str]:
    return [item.state for item in found.checklist if item.name == name]


def texts(found: DataReport, name: str) -> list[str]:
    return [item.text for item in found.checklist if item.name == name]


def test_the_verdict_is_what_the_checklist_says() -> None:
    good = checked([ask(n) for n in range(30)])
    assert (good.passed, good.reasons) == (True, [])
    bad = checked([ask(n) for n in range(30)], thresholds=CheckSection(min_train_rows=31, min_test_rows=1))
    assert not bad.passed
    assert [item.name for item in bad.checklist if item.state == "failed"] == ["train_rows", "test_rows"]
    assert bad.reasons == [
        "the train part has 30 rows; data.check.min_train_rows is 31",
        "the test part has 0 rows; data.check.min_test_rows is 1",
    ]


def test_what_nobody_looked_for_is_not_fine() -> None:
    found = checked([ask(n) for n in range(5)], parted=False)
    unknown = {item.name for item in found.checklist if item.state == "unknown"}
    assert unknown == {"parts", "plan", "language", "length", "leaks", "privacy"}


def test_every_text_is_its_message_with_its_values() -> None:
    found = checked([ask(n, category="ab"[n % 2]) for n in range(20)], [ask(n, category="a") for n in range(20, 40)])
    for item in found.checklist:
        shown = {key: f"{value:.2%}" if isinstance(value, float) else value for key, value in item.values.items()}
        assert item.message.format(**shown) == item.text


@pytest.mark.parametrize(("rows", "state"), [(5, "warning"), (60, "warning"), (150, "passed")])
def test_the_smallest_detectable_difference_follows_the_test_rows(rows: int, state: str) -> None:
    found = checked([ask(n) for n in range(5)], [ask(n) for n in range(1000, 1000 + rows)])
    assert states(found, "test_power") == [state]
    # Two models at one half: (1.96 + 0.8416) * sqrt(0.5 / n).
    if rows == 150:
        assert "16.17% or more" in texts(found, "test_power")[0]


def test_rows_of_one_cluster_are_one_item() -> None:
    alike = [Row(text="ten sam długi tekst o jednej sprawie", file="f", line=n) for n in range(50)]
    found = checked([ask(1)], alike)
    assert texts(found, "test_power")[0].startswith("1 independent test items")


@pytest.mark.parametrize(("least", "state"), [(0, "passed"), (3, "passed"), (4, "failed")])
def test_the_smallest_category_decides(least: int, state: str) -> None:
    rows = [ask(n, category="a" if n < 3 else "b") for n in range(10)]
    limits = CheckSection(min_train_rows=1, min_test_rows=0, min_category_rows=least)
    found = checked(rows, thresholds=limits)
    assert states(found, "category_rows") == [state]
    without = checked([ask(n) for n in range(9)], thresholds=limits)
    assert states(without, "category_rows") == (["failed"] if least else [])


def test_a_category_that_is_never_tested_is_worth_a_look() -> None:
    found = checked([ask(n, category="ab"[n % 2]) for n in range(10)], [ask(n, category="a") for n in range(10, 20)])
    assert texts(found, "test_categories") == ["the test part has no row of: b"]
    assert found.passed


@pytest.mark.parametrize(("most", "state"), [(None, "warning"), (0.5, "warning"), (0.1, "failed")])
def test_label_noise_fails_where_a_threshold_says_so(most: float | None, state: str) -> None:
    rows = [*(ask(n) for n in range(6)), ask(7, "tak"), ask(7, "nie")]
    found = checked(rows, thresholds=CheckSection(min_train_rows=1, min_test_rows=0, max_label_noise=most))
    assert states(found, "label_noise") == [state]
    assert found.passed is (state != "failed")


def leaks(contaminated: int, recall: int) -> LeakReport:
    canaries = [CanaryResult(sort="exact", planted=10, found=recall, share=recall / 10, low=0.0, high=1.0)]
    one = LeakSet(
        name="exam",
        items=50,
        contaminated=contaminated,
        leaking_rows=contaminated,
        by_method={},
        form_items=0,
        short_items=0,
        found=[],
        canaries=canaries,
    )
    return LeakReport(
        training_rows=9,
        training_fingerprint="0",
        ngram=13,
        coverage=0.7,
        similarity=0.7,
        embeddings="",
        embedding_similarity=0.9,
        seed=1,
        sets=[one],
    )


@pytest.mark.parametrize(
    ("contaminated", "most", "state"),
    [(0, 0.0, "passed"), (1, 0.0, "failed"), (1, 0.02, "warning"), (2, 0.02, "failed")],
)
def test_leaks_fail_by_their_share(contaminated: int, most: float, state: str) -> None:
    limits = CheckSection(min_train_rows=1, min_test_rows=0, max_contaminated=most)
    found = checked([ask(1)], thresholds=limits, leaks=leaks(contaminated, 10))
    assert states(found, "leaks") == [state]


@pytest.mark.parametrize(("recall", "least", "state"), [(10, 0.9, "passed"), (8, 0.0, "warning"), (8, 0.9, "failed")])
def test_a_detector_that_misses_planted_leaks_fails(recall: int, least: float, state: str) -> None:
    limits = CheckSection(min_train_rows=1, min_test_rows=0, min_canary_recall=least)
    assert states(checked([ask(1)], thresholds=limits, leaks=leaks(0, recall)), "canaries") == [state]


@pytest.mark.parametrize(
    ("concerned", "most", "state"),
    [(0, None, "passed"), (2, None, "warning"), (2, 0.2, "warning"), (3, 0.2, "failed"), (0, 0.0, "passed")],
)
def test_personal_data_fails_by_its_share(concerned: int, most: float | None, state: str) -> None:
    found = PrivacyReport(
        action="report", kinds=["pesel"], found={}, rows=10, rows_concerned=concerned, rows_changed=0, rows_set_aside=0
    )
    limits = CheckSection(min_train_rows=1, min_test_rows=0, max_private_rows=most)
    assert states(checked([ask(1)], thresholds=limits, privacy=found), "privacy") == [state]


def test_the_gate_must_ask_for_what_is_measured() -> None:
    plan = EvaluationSection(metrics=["perplexity"], baselines=[])
    found = checked([ask(1)], evaluation=plan, gate=GateSection())
    assert states(found, "gate") == ["failed"]
    assert texts(found, "gate") == ["the gate asks for token_f1, which is not measured"]
    assert states(found, "baselines") == ["warning"]
    fine = checked([ask(1)], evaluation=EvaluationSection(), gate=GateSection())
    assert states(fine, "gate") == ["passed"]


def test_braces_in_data_are_text() -> None:
    found = checked([ask(n, category="{x.__class__} {0}") for n in range(4)])
    assert "{x.__class__} {0}" in texts(found, "category_rows")[0]


def test_a_report_without_rows_is_written_and_read(tmp_path: Any) -> None:
    found = report(ReadResult([], [], []), CleanResult([], []), [], SplitResult([], [], []), LOOSE)
    assert not found.passed
    found.write(tmp_path / "report.json")
    assert DataReport.read(tmp_path / "report.json") == found


def test_one_row_of_many_is_not_none_of_them() -> None:
    private = PrivacyReport(
        action="report", kinds=["pesel"], found={}, rows=30_001, rows_concerned=1, rows_changed=0, rows_set_aside=0
    )
    limits = CheckSection(min_train_rows=1, min_test_rows=0, max_private_rows=0.00001)
    found = checked([ask(1)], thresholds=limits, privacy=private)
    assert texts(found, "privacy") == ["1 of 30001 rows (<0.01%) hold personal data or secrets"]
    assert [item.setting for item in found.checklist if item.name == "privacy"] == [
        "data.check.max_private_rows allows <0.01%"
    ]


def test_rows_without_a_category_are_no_category() -> None:
    rows = [*(ask(n, category="ab"[n % 2]) for n in range(10)), ask(10)]
    found = checked(rows, [ask(n, category="ab"[n % 2]) for n in range(11, 20)])
    assert texts(found, "category_rows") == ["the smallest category, a, has 5 training rows"]
    assert states(found, "test_categories") == []
