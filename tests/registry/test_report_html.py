"""The page: self-contained, escaped, complete, in both languages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_sample import bare, data, evaluation, rebuild, run, sample, with_first_item

from kamerton.ground.digests import digest
from kamerton.ground.errors import RequestError
from kamerton.records.data import Finding
from kamerton.registry.report import build_document, render_html, write_report
from kamerton.registry.report.inputs import ReportInputs

ATTACK = "</p><script>alert('ż')</script><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Reader(HTMLParser):
    """Collects tags and visible text, and refuses tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def visible(page: str) -> str:
    return " ".join("".join(read(page).text).split())


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return sample()


@pytest.fixture(scope="module", params=["en", "pl"])
def page(request: pytest.FixtureRequest, inputs: ReportInputs) -> str:
    return render_html(build_document(inputs), request.param)


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    reader = read(page)
    assert {"script", "link", "iframe", "img", "object", "embed"}.isdisjoint(tag for tag, _ in reader.tags)
    assert re.findall(r"https?://[^\"' <]+", page.replace("http://www.w3.org/2000/svg", "")) == []
    assert "@import" not in page
    assert "url(" not in page
    linked = [value for _, attributes in reader.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(value is not None and value.startswith("#") for value in linked)


def test_the_page_is_small(page: str) -> None:
    assert len(page.encode()) < 400_000


def test_the_verdict_comes_before_numbers_and_chapters(page: str) -> None:
    places = [page.index(mark) for mark in ('class="verdict good"', 'class="cards"', 'id="results"', 'id="rebuild"')]
    assert places == sorted(places)


def test_links_lead_to_chapters(page: str) -> None:
    reader = read(page)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(attributes["href"])[1:] for tag, attributes in reader.tags if tag == "a"}
    assert targets == {"results", "training", "data", "examples", "lineage", "environment", "rebuild"}
    assert targets <= set(ids)


def test_charts_tables_and_language_are_accessible(page: str, inputs: ReportInputs) -> None:
    reader = read(page)
    html = next(attributes for tag, attributes in reader.tags if tag == "html")
    assert html["lang"] in ("en", "pl")
    charts = page.count('<svg class="chart"')
    assert charts == 2 * 8
    assert page.count('role="img"') == charts
    assert len(re.findall(r'<svg class="chart"[^>]*><title>[^<]+</title><desc>[^<]+</desc>', page)) == charts
    headings = [attributes for tag, attributes in reader.tags if tag == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in headings)


def test_english_says_what_was_measured(inputs: ReportInputs) -> None:
    text = visible(render_html(build_document(inputs), "en"))
    accuracy = inputs.evaluations[0].metrics["accuracy"]
    assert accuracy.value is not None
    assert f"{100 * accuracy.value:.1f}%" in text
    assert "All 3 rules of the gate hold" in text
    assert "Significantly better than the base model" in text
    assert "p < 0.001 after Holm" in text
    assert "kamerton rebuild urzad-20261122-061204-7c1e" in text


def test_polish_has_decimal_commas_and_its_own_terms(inputs: ReportInputs) -> None:
    text = visible(render_html(build_document(inputs), "pl"))
    accuracy = inputs.evaluations[0].metrics["accuracy"]
    assert accuracy.value is not None
    assert f"{100 * accuracy.value:.1f}".replace(".", ",") + " %" in text
    for term in ("przedział ufności 95 %", "poprawce Holma", "Najmniejszy wykrywalny efekt", "22 listopada 2026"):
        assert term in text
    assert "Wszystkie 3 reguły bramki są spełnione" in text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Alarms during the training", "Memory of the process, in MiB", "step 100", "training was resumed"]),
        ("pl", ["Alarmy podczas uczenia", "Pamięć procesu, w MiB", "krok 100", "wznowiono uczenie"]),
    ],
)
def test_curves_alarms_and_resumptions_are_on_the_page(inputs: ReportInputs, language: str, words: list[str]) -> None:
    more = [
        {"kind": "resumed", "step": 90},
        {"kind": "alarm", "alarm": ATTACK, "step": 100, "symptom": ATTACK, "cause": "outlier", "change": "look"},
        *({"kind": "step", "step": step, "memory_mib": 900 + step, "metrics": {ATTACK: 0.5}} for step in (1, 2)),
        {"kind": "evaluated", "step": 42, "loss": 1.0, "metrics": {ATTACK: 0.25, "accuracy": 0.5}},
    ]
    page = render_html(build_document(replace(inputs, events=[*inputs.events, *more])), language)
    text = visible(page)
    assert all(word in text for word in words)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in read(page).tags)
    figures = 8 + len(["memory", ATTACK, "accuracy"])
    assert page.count('<svg class="chart"') == 2 * figures
    marked = len(["loss", "learning rate", "gradient norm", "speed"])  # the other curves ended before
    assert page.count('class="event alarm"') == page.count('class="event resumed"') == 2 * marked


def test_alarms_are_told_in_the_language_of_the_page_and_foreign_sentences_are_marked(inputs: ReportInputs) -> None:
    known = {
        "kind": "alarm",
        "alarm": "spike",
        "step": 100,
        "symptom": "a step far outside the ones before it",
        "evidence": "loss 9.000; the last 80 steps: mean 2.001, deviation 0.007",
        "cause": "a learning rate too low, or too few steps",
        "change": "the moon is too near",
    }
    failed = known | {"alarm": "failed", "symptom": "the run did not come to its end", "evidence": "the disk is full"}
    document = build_document(replace(inputs, events=[*inputs.events, known, failed]))
    page = render_html(document, "pl")
    text = visible(page)
    for told in ("krok znacznie odbiega od poprzednich", "strata 9,000", "za niskie tempo uczenia albo za mało kroków"):
        assert told in text
    assert "Skok" in text
    assert "<title>skok, krok 100</title>" in page
    assert '<span class="main " lang="en">the moon is too near</span>' in page
    assert '<span class="sub" lang="en">the disk is full</span>' in page
    assert '<span class="sub">loss 9.000; the last 80 steps' in render_html(document, "en")


def test_another_objective_has_a_loss_of_its_own(inputs: ReportInputs) -> None:
    recipe = inputs.run.recipe | {"training": inputs.run.recipe["training"] | {"objective": {"kind": "dpo"}}}
    other = replace(inputs, run=inputs.run.model_copy(update={"recipe": recipe}))
    assert "Loss, in nats per token" in visible(render_html(build_document(inputs), "en"))
    assert "Loss, in nats per token" not in visible(render_html(build_document(other), "en"))


def test_a_closed_gate_is_red_and_names_the_rule() -> None:
    page = render_html(build_document(sample(passed=False)), "en")
    assert 'class="verdict bad"' in page
    assert "1 of the gate&#39;s rules does not hold" in page
    assert "The loss against the base model may exceed the allowed 5.0%" in page


@pytest.mark.parametrize("language", ["en", "pl"])
def test_a_bare_run_says_which_command_makes_what_is_missing(language: str) -> None:
    page = render_html(build_document(bare()), language)
    text = visible(page)
    for command in ("kamerton check RECIPE", "kamerton evaluate", "kamerton compare", "kamerton rebuild"):
        assert command in text
    assert 'class="verdict quiet"' in page
    assert 'id="examples"' not in page
    assert '<svg class="chart"' not in page


def test_markup_in_data_is_text(inputs: ReportInputs) -> None:
    """In a letter, an answer, a category, a name, a file, a finding, a metric-free label and a rebuild's sentence."""
    values = dict.fromkeys(inputs.evaluations[0].metrics, 0.0) | {"perplexity": 9.0}
    hurt = with_first_item(
        inputs, prompt=ATTACK, prediction=ATTACK, reference=f"{ATTACK}!", category=ATTACK, values=values
    )
    finding = Finding(file=ATTACK, line=1, kind=ATTACK, message=ATTACK)
    hurt = replace(
        hurt,
        run=run().model_copy(update={"name": ATTACK, "run_id": ATTACK}),
        data=data().model_copy(
            update={"findings": [finding], "reasons": [ATTACK], "categories": {"train": {ATTACK: 3, "b": 1}}}
        ),
        rebuild=rebuild(what_changed=[ATTACK], machine_class_equal=False, class_differences=[ATTACK]),
    )
    page = render_html(build_document(hurt), "pl")
    tags = {tag for tag, _ in read(page).tags}
    assert "script" not in tags
    assert "img" not in tags
    assert page.count("&lt;script&gt;") > 10
    assert "alert('ż')</script>" not in page


def test_markup_in_model_names_is_text() -> None:
    own, other = evaluation("own", 16), evaluation("base", 16).model_copy(update={"model": ATTACK})
    page = render_html(build_document(replace(bare(), evaluations=[own, other])), "en")
    assert "script" not in {tag for tag, _ in read(page).tags}
    assert "&lt;script&gt;" in page


def test_words_that_differ_are_marked(inputs: ReportInputs) -> None:
    values = dict.fromkeys(inputs.evaluations[0].metrics, 0.0) | {"perplexity": 9.0}
    changed = with_first_item(inputs, reference="Termin: 7 dni", prediction="Termin: 14 dni", values=values)
    assert "Termin: <mark>14</mark> dni" in render_html(build_document(changed), "en")


def test_an_empty_answer_is_a_dash(inputs: ReportInputs) -> None:
    values = dict.fromkeys(inputs.evaluations[0].metrics, 0.0) | {"perplexity": 9.0}
    page = render_html(build_document(with_first_item(inputs, prediction="", values=values)), "en")
    assert "<p>—</p>" in page


def test_a_rebuild_that_differs_names_the_first_step(inputs: ReportInputs) -> None:
    broken = rebuild(
        rebuilt_sha256=digest("other"),
        identical=False,
        first_different_step=17,
        different_fields=["loss", "grad_norm"],
        machine_class_equal=False,
        class_differences=["threads: 2 then, 4 now"],
    )
    text = visible(render_html(build_document(replace(inputs, rebuild=broken)), "en"))
    for words in ("The rebuilt weights differ", "First different step", "loss, grad_norm", "threads: 2 then, 4 now"):
        assert words in text


def test_values_that_cannot_be_computed_are_dashes(inputs: ReportInputs) -> None:
    own = inputs.evaluations[0]
    hollow = {
        name: metric.model_copy(update={"value": None, "low": None, "high": None, "method": "", "n_items": 0})
        for name, metric in own.metrics.items()
    }
    changed = replace(inputs, evaluations=[own.model_copy(update={"metrics": hollow})], comparisons=[], decision=None)
    assert "cannot be computed" in visible(render_html(build_document(changed), "en"))


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(RequestError, match="no report language 'de'"):
        render_html(build_document(bare()), "de")


def test_three_files_are_written(tmp_path: Path, inputs: ReportInputs) -> None:
    paths = write_report(inputs, tmp_path / "report", "pl")
    assert {kind: path.name for kind, path in paths.items()} == {
        "html": "report.html",
        "md": "report.md",
        "json": "report.json",
    }
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads(paths["json"].read_text(encoding="utf-8")) == build_document(inputs)


def test_an_unknown_language_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        write_report(bare(), tmp_path / "report", "de")
    assert not (tmp_path / "report").exists()


CONTRASTS = [
    *((ink, paper) for ink in ("ink", "soft", "accent", "good", "bad") for paper in ("paper", "card")),
    *((ink, paper) for ink in ("ink", "soft", "good") for paper in ("good-paper",)),
    *((ink, paper) for ink in ("ink", "soft", "bad") for paper in ("bad-paper",)),
    ("mark-ink", "mark"),
]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), CONTRASTS)
def test_text_has_enough_contrast(ink: str, paper: str, theme: int) -> None:
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1."""
    page = render_html(build_document(bare()), "en")
    block = re.findall(r":root \{(.*?)\}", page, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): #([0-9a-f]{6})", block))
    light, dark = sorted((_luminance(colours[ink]), _luminance(colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
