"""Each metric on answers whose value is known."""

from __future__ import annotations

import math
import unicodedata
from typing import Any, get_args

import numpy as np
import pytest

from kamerton.chat.answers import label_of
from kamerton.chat.generation import Score
from kamerton.evaluation.metrics import METRICS, Observed
from kamerton.ground.errors import DataError
from kamerton.recipe import EvaluationSection
from kamerton.recipe.evaluation import MetricName
from kamerton.records.evaluation import ItemResult

OPTIONS = EvaluationSection(
    metrics=["accuracy", "macro_f1", "exact_match", "form", "token_f1", "perplexity"],
    label=r"^Wydział: (.*)$",
    form=r"Wydział: .+\nTermin: \d+ dni",
)


def value(metric: str, answer: str | None, reference: str) -> float | None:
    return METRICS[metric].per_item(Observed(reference, answer, None), OPTIONS)


def item(**given: Any) -> ItemResult:
    blank: dict[str, Any] = dict.fromkeys(ItemResult.model_fields)
    texts = {"row_hash": "", "cluster": 0, "category": "", "prompt": "", "reference": "", "values": {}}
    return ItemResult(**(blank | texts | given))


def test_every_metric_of_the_recipe_is_here_under_its_name() -> None:
    assert list(METRICS) == list(get_args(MetricName))
    assert all(metric.name == name for name, metric in METRICS.items())


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "exact_match", "form", "token_f1"])
def test_without_an_answer_there_is_no_value(metric: str) -> None:
    assert value(metric, None, "Wydział: Drogi") is None


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Wydział: Drogi", "Drogi"),
        ("Dzień dobry\nWydział:  Drogi i Zieleń \nTermin", "Drogi i Zieleń"),
        ("mój Wydział: Drogi", ""),
        ("", ""),
    ],
)
def test_a_label_is_the_first_group_of_the_first_match(text: str, label: str) -> None:
    assert label_of(OPTIONS.label or "", text) == label


def test_a_group_that_takes_no_part_is_no_label() -> None:
    assert label_of("A|(B)", "A") == ""


def test_accuracy() -> None:
    assert value("accuracy", "Wydział: Drogi\ninaczej", "Wydział: Drogi") == 1.0
    assert value("accuracy", "Wydział: drogi", "Wydział: Drogi") == 0.0
    assert value("accuracy", "Drogi", "Wydział: Drogi") == 0.0
    # A reference without a label says nothing about the model.
    assert value("accuracy", "cokolwiek", "bez etykiety") is None


def test_exact_match_forgives_space_and_composition_only() -> None:
    assert value("exact_match", " Zażółć \n gęślą\tjaźń ", "Zażółć gęślą jaźń") == 1.0
    assert value("exact_match", unicodedata.normalize("NFD", "gęślą"), "gęślą") == 1.0
    assert value("exact_match", "Gęślą", "gęślą") == 0.0
    assert value("exact_match", "gęślą.", "gęślą") == 0.0
    assert value("exact_match", "gesla", "gęślą") == 0.0


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Wydział: Drogi\nTermin: 30 dni", 1.0),
        ("\nWydział: Drogi\nTermin: 30 dni\n", 1.0),
        ("Wydział: Drogi\nTermin: 30 dni i więcej", 0.0),
        ("Uwaga\nWydział: Drogi\nTermin: 30 dni", 0.0),
        ("Wydział: Drogi\ni Zieleń\nTermin: 30 dni", 0.0),
        ("", 0.0),
    ],
)
def test_form_is_that_of_the_whole_answer(answer: str, right: float) -> None:
    assert value("form", answer, "") == right


@pytest.mark.parametrize(
    ("answer", "reference", "f1"),
    [
        ("Sprawa zostanie załatwiona", "sprawa ZOSTANIE załatwiona!", 1.0),
        ("a b c d", "a b", 2 / 3),
        ("a a", "a", 2 / 3),
        ("łąka", "laka", 0.0),
        ("the cat", "cat", 2 / 3),
        ("", "", 1.0),
        ("...", "a", 0.0),
        ("", "a", 0.0),
    ],
)
def test_token_f1(answer: str, reference: str, f1: float) -> None:
    assert value("token_f1", answer, reference) == pytest.approx(f1)


def test_token_f1_reads_decomposed_letters() -> None:
    assert value("token_f1", unicodedata.normalize("NFD", "Żółć"), "żółć") == 1.0


def test_perplexity_weighs_tokens() -> None:
    metric = METRICS["perplexity"]
    assert metric.per_item(Observed("a", None, Score(math.log(8) * 3, 3)), OPTIONS) == pytest.approx(8.0)
    assert metric.per_item(Observed("", None, Score(0.0, 0)), OPTIONS) is None
    assert metric.per_item(Observed("a", None, None), OPTIONS) is None
    both = metric.statistic([item(nll=1.0, tokens=1), item(nll=9.0, tokens=19)])
    assert metric.shown(both.value) == pytest.approx(math.exp(10 / 20))


def test_macro_f1_by_hand() -> None:
    given = ["a", "a", "a", "b", "b", "c"]
    predicted = ["a", "a", "b", "b", "?", "a"]
    items = [item(reference_label=g, label=p) for g, p in zip(given, predicted, strict=True)]
    f1 = {"a": 2 * 2 / (3 + 3), "b": 2 * 1 / (2 + 2), "c": 0.0}
    statistic = METRICS["macro_f1"].statistic(items)
    assert statistic.value == pytest.approx(sum(f1.values()) / 3)
    # Leaving out the only `c` leaves the mean of the two other labels.
    rest = statistic.finish(statistic.items[:5].sum(axis=0, keepdims=True))
    assert rest[0] == pytest.approx((2 * 2 / (2 + 3) + 0.5) / 2)


def test_macro_f1_of_perfect_and_of_empty_answers() -> None:
    labels = ["a", "b", "c"]
    perfect = METRICS["macro_f1"].statistic([item(reference_label=x, label=x) for x in labels])
    assert perfect.value == 1.0
    assert METRICS["macro_f1"].statistic([item(reference_label=x, label="") for x in labels]).value == 0.0


def test_macro_f1_resamples_rows_of_counts() -> None:
    items = [item(reference_label="ab"[i % 2], label="ab"[i % 3 % 2]) for i in range(12)]
    statistic = METRICS["macro_f1"].statistic(items)
    counts = np.array([[1.0] * 12, [2.0] * 12])
    assert statistic.finish(counts @ statistic.items) == pytest.approx([statistic.value] * 2)


def test_macro_f1_refuses_free_text_as_labels() -> None:
    with pytest.raises(DataError, match="1001 different labels"):
        METRICS["macro_f1"].statistic([item(reference_label=str(i), label="") for i in range(1001)])
