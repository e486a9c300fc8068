"""What people see: lines that can be copied, tables that fit, and no steering of the terminal by data."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from kamerton.cli.screen import Screen, shown
from kamerton.cli.tables import comparison_table, metrics_table, moment, plain_table
from kamerton.records.comparison import ComparisonRecord, MetricComparison
from kamerton.records.evaluation import EvaluationRecord, MetricResult


def _printed(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_lines_are_not_broken_and_not_dressed(capsys: pytest.CaptureFixture[str]) -> None:
    line = "sha256 " + "0123456789abcdef" * 8 + " [bold]as it is[/bold] :smile: " + "word " * 40
    Screen(json=False).say(line)
    assert capsys.readouterr() == (line + "\n", "")


def test_with_json_people_read_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(json=True)
    screen.say("a word")
    screen.document({"a": "ą"})
    assert capsys.readouterr() == ('{\n  "a": "ą"\n}\n', "a word\n")


def test_without_json_there_is_no_document(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(json=False).document({"a": 1})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\rb\x00\x9bc", "a\\x0db\\x00\\x9bc"),
        ("zażółć\n\tgęślą – 漢字", "zażółć\n\tgęślą – 漢字"),
    ],
)
def test_data_does_not_steer_the_terminal(text: str, seen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(text) == seen
    Screen(json=False).say(text)
    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in "".join(_printed(plain_table(["a"], [[text]]), 80))


def _entry(metric: str, baseline: str, verdict: str) -> MetricComparison:
    return MetricComparison(
        metric=metric,
        baseline=baseline,
        better="higher",
        scale="absolute",
        candidate_value=0.5,
        baseline_value=0.25,
        difference=0.25,
        low=-0.125,
        high=0.375,
        method="bca",
        gain=0.25,
        gain_standard_error=0.1,
        test="paired_permutation",
        p_value=0.01,
        p_adjusted=0.00001,
        minimum_detectable_effect=0.2,
        wins=3,
        losses=1,
        ties=0,
        n_items=4,
        n_clusters=4,
        verdict=verdict,  # type: ignore[arg-type]
    )


def _comparison() -> ComparisonRecord:
    return ComparisonRecord(
        candidate="tuned",
        baselines=["base", "few_shot"],
        evaluations={},
        set_name="test",
        set_fingerprint="f",
        alpha=0.05,
        power=0.8,
        confidence=0.95,
        resamples=200,
        seed=1,
        n_tests=2,
        entries=[_entry("exact_match", "few_shot", "no difference shown"), _entry("perplexity", "base", "better")],
    )


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison_fits_the_screen_without_broken_words(width: int) -> None:
    lines = _printed(comparison_table(_comparison()), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for word in ("exact_match", "few_shot", "+0.250", "[-0.125, +0.375]", "< 0.0001", "detectable", "difference"):
        assert word in text, word


@pytest.mark.parametrize("width", [80, 120])
def test_metrics_fit_the_screen(width: int) -> None:
    def record(model: str) -> EvaluationRecord:
        metric = MetricResult(better="higher", value=0.5, low=0.25, high=0.75, method="bca", n_items=4, n_clusters=4)
        none = metric.model_copy(update={"value": None, "low": None, "high": None})
        return EvaluationRecord(
            model=model,
            set_name="test",
            set_fingerprint="f",
            options_digest="o",
            label=None,
            form=None,
            max_new_tokens=8,
            confidence=0.95,
            resamples=200,
            seed=1,
            left_out=0,
            cut_off=0,
            n_clusters=4,
            metrics={"exact_match": metric, "form": none},
            items=[],
        )

    lines = _printed(metrics_table([record("tuned"), record("base"), record("few_shot")]), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert text.count("[0.250, 0.750]") == 3
    assert [line.split() for line in lines if line.startswith("form")] == [["form", "-", "-", "-"]]


def test_what_does_not_fit_says_so() -> None:
    lines = _printed(plain_table(["hash", "n"], [["0123456789" * 4, "5"]], right=("n",)), 20)
    assert max(map(len, lines)) <= 20
    assert "…" in lines[-1]


def test_what_may_give_way_keeps_every_letter() -> None:
    lines = _printed(plain_table(["hash"], [["0123456789" * 4]], wrap=("hash",)), 20)
    assert "".join(line.strip() for line in lines[2:]) == "0123456789" * 4


def test_a_moment_is_read_to_the_minute() -> None:
    assert moment("2026-11-22T07:19:13+00:00") == "2026-11-22 07:19"
    assert moment("") == ""
