"""The chapters on what was measured: models by metrics, categories, and the worst answers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kamerton.registry.report import amounts, charts
from kamerton.registry.report.blocks import Block, Cell, Example, Figure, Fold, Note, Section, Table
from kamerton.registry.report.language import EM_DASH, NO_BREAK, Language
from kamerton.registry.report.terms import baseline_name, capital, metric_name, set_name, test_name, verdict_name

__all__ = ["NARROW", "WIDE", "examples_section", "results_section"]

WIDE, NARROW = 780.0, 340.0
"""Widths that charts are drawn for, in pixels."""


def results_section(document: Mapping[str, Any], language: Language) -> Section:
    """Every model on every metric, with intervals and tests."""
    title = language.say("Results")
    lead = language.say("All models answered the same items; the differences are tested item by item.")
    evaluation = document["evaluation"]
    if evaluation is None:
        return Section("results", title, lead, missing(document, language, "evaluation"))
    blocks: list[Block] = [_table(document, each, language) for each in evaluation["sets"] if each["models"]]
    if not blocks:
        blocks += missing(document, language, "evaluation")
    if not any(each["comparison"] for each in evaluation["sets"]):
        blocks += missing(document, language, "comparison")
    blocks += _interval_figures(document, language)
    if evaluation["categories"]:
        blocks.append(_category_figure(document, language))
    blocks += _remarks(document, language)
    statistics = [_statistics(each, language) for each in evaluation["sets"] if each["comparison"]]
    if statistics:
        blocks.append(Fold(language.say("How the differences were tested"), [b for pair in statistics for b in pair]))
    return Section("results", title, lead, blocks)


def missing(document: Mapping[str, Any], language: Language, part: str) -> list[Block]:
    """A sentence and the command that makes a missing part."""
    sentences = {
        "data": language.say("There is no data report yet."),
        "evaluation": language.say("The model has not been evaluated yet."),
        "comparison": language.say("The model has not been compared with a baseline yet."),
        "rebuild": language.say("Nobody has rebuilt this model yet."),
    }
    command = next((each["command"] for each in document["missing"] if each["part"] == part), "")
    return [Note(sentences[part], "quiet", command)]


def model_name(document: Mapping[str, Any], language: Language, model: str) -> str:
    """The candidate is `this model`; a baseline has its name."""
    return language.say("this model") if model == document["candidate"] else baseline_name(language, model)


def _style(document: Mapping[str, Any], models: Sequence[str], model: str) -> str:
    """The candidate in the accent colour, the baselines in greys."""
    if model == document["candidate"]:
        return "own"
    others = [name for name in models if name != document["candidate"]]
    return "first" if others.index(model) == 0 else "second"


def _table(document: Mapping[str, Any], part: Mapping[str, Any], language: Language) -> Table:
    models = part["models"]
    entries = {(e["metric"], e["baseline"]): e for e in (part["comparison"] or {"entries": []})["entries"]}
    confidence = (part["comparison"] or {"confidence": models[0]["confidence"]})["confidence"]
    head = [language.say("Metric")]
    for model in models:
        head.append(capital(model_name(document, language, model["model"])))
        if any(baseline == model["model"] for _, baseline in entries):
            head.append(language.say("Difference"))
    rows = []
    for metric in dict.fromkeys(name for model in models for name in model["metrics"]):
        row = [Cell(metric_name(language, metric), notes=[_direction(models, metric, language)])]
        for model in models:
            row.append(
                _value_cell(model["metrics"].get(metric), metric, language, own=model["model"] == document["candidate"])
            )
            if any(baseline == model["model"] for _, baseline in entries):
                row.append(_difference_cell(entries.get((metric, model["model"])), language))
        rows.append(row)
    size = max(models, key=lambda model: int(model["n_items"]))
    caption = language.say(
        "{set}: {items} in {clusters}, {level} intervals",
        set=capital(set_name(language, part["name"])),
        items=language.say_n("{count} item", "{count} items", size["n_items"]),
        clusters=language.say_n("{count} cluster", "{count} clusters", size["n_clusters"]),
        level=language.level(confidence),
    )
    return Table(caption, head, rows, wide=True)


def _direction(models: Sequence[Mapping[str, Any]], metric: str, language: Language) -> str:
    better = next(model["metrics"][metric]["better"] for model in models if metric in model["metrics"])
    return language.say("higher is better") if better == "higher" else language.say("lower is better")


def _value_cell(measured: Mapping[str, Any] | None, metric: str, language: Language, *, own: bool) -> Cell:
    if measured is None:
        return Cell(EM_DASH, notes=[language.say("not measured")], tone="quiet")
    if measured["value"] is None:
        return Cell(EM_DASH, notes=[language.say("cannot be computed")], tone="quiet")
    spread = amounts.interval(language, metric, measured["low"], measured["high"])
    return Cell(amounts.value(language, metric, measured["value"]), notes=[spread], tone="own" if own else "")


def _difference_cell(entry: Mapping[str, Any] | None, language: Language) -> Cell:
    if entry is None:
        return Cell(EM_DASH, notes=[language.say("not compared")], tone="quiet")
    spread = amounts.difference_interval(language, entry["scale"], entry["low"], entry["high"])
    verdict = verdict_name(language, entry["verdict"])
    shown = f"{language.p_value(entry['p_adjusted'])}, {verdict}" if entry["p_adjusted"] is not None else verdict
    return Cell(
        amounts.difference(language, entry["scale"], entry["difference"]),
        notes=[spread, shown],
        tone=amounts.tone_of(entry),
    )


def _interval_figures(document: Mapping[str, Any], language: Language) -> list[Figure]:
    """Shares on one axis from 0 to 100 %; perplexities of all sets on a logarithmic one."""
    sets = document["evaluation"]["sets"]
    shares: list[tuple[str, list[charts.Interval]]] = []
    ratios: list[tuple[str, list[charts.Interval]]] = []
    for part in sets:
        for metric in dict.fromkeys(name for model in part["models"] for name in model["metrics"]):
            rows = _interval_rows(document, part, metric, language)
            name = metric_name(language, metric)
            if not any(row.value is not None for row in rows):
                continue
            if metric == "perplexity":
                ratios.append((capital(set_name(language, part["name"])), rows))
            else:
                heading = name if part is sets[0] else f"{name}, {set_name(language, part['name'])}"
                shares.append((heading, rows))
    figures = []
    if shares:
        figures.append(
            _interval_figure(language, shares, language.say("Values with their intervals"), ((0.0, 1.0), "percent"))
        )
    if ratios:
        title = language.say("Perplexity with its intervals, logarithmic scale, lower is better")
        figures.append(_interval_figure(language, ratios, title, (None, "number")))
    return figures


def _interval_rows(
    document: Mapping[str, Any], part: Mapping[str, Any], metric: str, language: Language
) -> list[charts.Interval]:
    names = [model["model"] for model in part["models"]]
    rows = []
    for model in part["models"]:
        measured = model["metrics"].get(metric)
        if measured is not None:
            rows.append(
                charts.Interval(
                    model_name(document, language, model["model"]),
                    measured["value"],
                    measured["low"],
                    measured["high"],
                    amounts.value(language, metric, measured["value"]),
                    _style(document, names, model["model"]),
                )
            )
    return rows


def _interval_figure(
    language: Language,
    groups: Sequence[tuple[str, Sequence[charts.Interval]]],
    title: str,
    axis: tuple[tuple[float, float] | None, str],
) -> Figure:
    ends, kind = axis
    description = "; ".join(f"{name}: " + ", ".join(f"{r.name} {r.shown}" for r in rows) for name, rows in groups)

    def label(tick: float) -> str:
        return language.percent(tick, 0) if kind == "percent" else language.significant(tick)

    wide, narrow = (
        charts.intervals(groups, width=width, title=title, description=description, axis=(ends, label))
        for width in (WIDE, NARROW)
    )
    return Figure(title, wide, narrow)


def _category_figure(document: Mapping[str, Any], language: Language) -> Figure:
    found = document["evaluation"]["categories"]
    metric, own = found["metric"], document["candidate"]
    models = list(found["rows"][0]["values"])
    most = 1.0
    if metric == "perplexity":
        most = max(value for row in found["rows"] for value in row["values"].values() if value is not None)
    rows = []
    for row in found["rows"]:
        shown = _rounded(language, metric, row["values"][own])
        marks = [
            (
                value,
                _style(document, models, model),
                f"{model_name(document, language, model)}: {amounts.value(language, metric, value)}",
            )
            for model, value in row["values"].items()
            if model != own and value is not None
        ]
        items = language.say("n = {count}", count=language.count(row["n_items"]))
        rows.append(
            charts.Bar(row["category"] or language.say("no category"), row["values"][own], f"{shown}, {items}", marks)
        )
    title = language.say("{metric} by category", metric=metric_name(language, metric))
    description = "; ".join(f"{row.name} {row.shown}" for row in rows)
    wide, narrow = (
        charts.bars(rows, width=width, title=title, description=description, most=most) for width in (WIDE, NARROW)
    )
    legend = [(_style(document, models, model), model_name(document, language, model)) for model in models]
    note = language.say("A category has few items: read these bars as a hint, not as a verdict.")
    return Figure(title, wide, narrow, note, legend=legend)


def _rounded(language: Language, metric: str, amount: float | None) -> str:
    """A share of few items in whole per cent."""
    return amounts.value(language, metric, amount) if metric == "perplexity" else language.percent(amount, 0)


def _remarks(document: Mapping[str, Any], language: Language) -> list[Block]:
    """What a reader must know to judge the numbers: answers cut off, items left out."""
    notes: list[Block] = []
    for part in document["evaluation"]["sets"]:
        where = capital(set_name(language, part["name"]))
        left = max((model["left_out"] for model in part["models"]), default=0)
        if left:
            text = language.say_n(
                "{set}: {count} item was left out by max_items.",
                "{set}: {count} items were left out by max_items.",
                left,
                set=where,
            )
            notes.append(Note(text))
        cut = {model["model"]: model["cut_off"] for model in part["models"]}
        if any(cut.values()):
            counts = ", ".join(
                f"{model_name(document, language, model)} {language.count(count)}" for model, count in cut.items()
            )
            text = language.say(
                "{set}: answers cut off at the longest length allowed: {counts}.", set=where, counts=counts
            )
            notes.append(Note(text))
        notes += [_contaminated(document, model, where, language) for model in part["models"] if model["contaminated"]]
    return notes


def _contaminated(document: Mapping[str, Any], model: Mapping[str, Any], where: str, language: Language) -> Note:
    """How many items stand in the training rows, and what is measured without them."""
    text = language.say_n(
        "{set}, {model}: {count} item stands in the training rows.",
        "{set}, {model}: {count} items stand in the training rows.",
        model["contaminated"],
        set=where,
        model=model_name(document, language, model["model"]),
    )
    clean = ", ".join(
        f"{metric_name(language, name)}{NO_BREAK}{amounts.value(language, name, measured['value'])}"
        for name, measured in model["subsets"].get("clean", {}).items()
        if measured["value"] is not None
    )
    apart = language.say("On the clean items alone: {values}.", values=clean) if clean else ""
    return Note(f"{text} {apart}".rstrip())


def _statistics(part: Mapping[str, Any], language: Language) -> tuple[Table, Note]:
    comparison = part["comparison"]
    head = [
        language.say("Metric"),
        language.say("Test"),
        language.say("p, raw"),
        language.say("p after Holm"),
        language.say("Smallest detectable effect"),
        language.say("Wins, losses, ties"),
        language.say("Items, clusters"),
    ]
    rows = [
        [
            Cell(
                metric_name(language, entry["metric"]),
                notes=[language.say("against: {baseline}", baseline=baseline_name(language, entry["baseline"]))],
            ),
            Cell(test_name(language, entry["test"]) if entry["test"] else EM_DASH, notes=[entry["method"]]),
            Cell(language.significant(entry["p_value"])),
            Cell(language.significant(entry["p_adjusted"])),
            Cell(
                amounts.difference(language, entry["scale"], entry["minimum_detectable_effect"], signed=False),
            ),
            Cell(", ".join(language.count(entry[key]) for key in ("wins", "losses", "ties"))),
            Cell(", ".join(language.count(entry[key]) for key in ("n_items", "n_clusters"))),
        ]
        for entry in comparison["entries"]
    ]
    note = language.say(
        "Two-sided tests on paired items, whole clusters resampled {resamples} times from seed {seed}. Holm's"
        " correction runs over {tests} tests at a family-wise error rate of {alpha}; the smallest detectable effect is"
        " stated for a single test at a power of {power}.",
        resamples=language.count(comparison["resamples"]),
        seed=comparison["seed"],
        tests=comparison["n_tests"],
        alpha=language.level(comparison["alpha"]),
        power=language.level(comparison["power"]),
    )
    return Table(capital(set_name(language, part["name"])), head, rows, wide=True), Note(note)


def examples_section(document: Mapping[str, Any], language: Language) -> Section | None:
    """The worst answers, each beside the expected one."""
    found = document["examples"]
    if found is None:
        return None
    metric = metric_name(language, found["metric"]) if found["metric"] else ""
    lead = language.say(
        "The {count} worst of {of} answers by {metric}. Marked: words that the expected answer does not have.",
        count=len(found["items"]),
        of=language.count(found["of"]),
        metric=metric,
    )
    blocks = [_example(item, language, first=index == 0) for index, item in enumerate(found["items"])]
    return Section("examples", language.say("Worst examples"), lead, blocks)


def _example(item: Mapping[str, Any], language: Language, *, first: bool) -> Example:
    title = language.say("Item {number}", number=item["item"])
    if item["category"]:
        title = f"{title}: {item['category']}"
    shown = [
        f"{metric_name(language, metric)}{NO_BREAK}{_item_value(language, metric, amount)}"
        for metric, amount in item["values"].items()
        if metric != "macro_f1" and amount is not None
    ]
    notes = []
    if item["finished"] is False:
        notes.append(language.say("The answer reached the longest length allowed and was cut off."))
    notes += [
        language.say_n("{count} character is not shown.", "{count} characters are not shown.", item[part]["left_out"])
        for part in ("prompt", "expected", "got")
        if item[part]["left_out"]
    ]
    return Example(
        title,
        "\N{EM SPACE}".join(shown),
        item["prompt"]["text"],
        item["expected"]["text"],
        _differing(item["expected"]["text"], item["got"]["text"]),
        (language.say("Prompt"), language.say("Expected"), language.say("Got")),
        notes,
        open=first,
    )


def _item_value(language: Language, metric: str, amount: float) -> str:
    """One item is right or wrong by the metrics that count items."""
    if metric in ("accuracy", "exact_match", "form"):
        return "✓" if amount else "✗"
    return _rounded(language, metric, amount)


def _differing(expected: str, got: str) -> list[tuple[str, bool]]:
    """The answer in pieces; True for words that are not, in this order, in the expected answer."""
    theirs, ours = re.findall(r"\s+|\S+", expected), re.findall(r"\s+|\S+", got)
    matcher = difflib.SequenceMatcher(None, theirs, ours, autojunk=False)
    pieces: list[tuple[str, bool]] = []
    for tag, _, _, start, end in matcher.get_opcodes():
        if text := "".join(ours[start:end]):
            pieces.append((text, tag != "equal" and bool(text.strip())))
    return pieces
