"""The chapters on training and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kamerton.registry.report import charts
from kamerton.registry.report.blocks import Block, Cell, Facts, Figure, Fold, Note, Section, Table
from kamerton.registry.report.language import EM_DASH, NO_BREAK, Language
from kamerton.registry.report.page_curves import alarm_table, loss_figure, small_figures
from kamerton.registry.report.page_results import NARROW, WIDE, missing
from kamerton.registry.report.terms import capital, finding_name, part_name

__all__ = ["data_section", "parts_figure", "repeats", "short", "sources_table", "training_section"]

_PARTS = ("train", "validation", "test")
_PER_TOKEN = ("sft", "pretrain")
"""Objectives whose loss is that of a token; a recipe of before there were others names none."""


def training_section(document: Mapping[str, Any], language: Language) -> Section:
    """The curves, and what the run did."""
    training = document["training"]
    blocks: list[Block] = []
    if training["points"]:
        objective = (document["lineage"]["recipe"].get("training") or {}).get("objective") or {}
        per_token = objective.get("kind", "sft") in _PER_TOKEN
        blocks.append(loss_figure(training, language, per_token=per_token))
    else:
        blocks.append(Note(language.say("The run's trace is not here, so no curve can be drawn."), "quiet"))
    if training["alarms"]:
        blocks.append(alarm_table(training, language))
    blocks.append(Facts(_training_facts(document, language)))
    blocks += small_figures(training, language)
    lead = language.say("How the loss fell, step by step; every step is sealed in the run's trace.")
    return Section("training", language.say("Training"), lead, blocks)


def _training_facts(document: Mapping[str, Any], language: Language) -> list[tuple[str, Cell]]:
    training = document["training"]
    facts = [
        (language.say("Optimiser steps"), Cell(language.count(training["steps"]))),
        (language.say("Trained tokens"), Cell(language.count(training["tokens"]))),
        (
            language.say("Loss, first and last step"),
            Cell(f"{language.number(training['first_loss'], 3)} → {language.number(training['last_loss'], 3)}"),
        ),
        (language.say("Time"), Cell(language.duration(training["seconds"]))),
    ]
    if training["tokens_per_second"] is not None:
        speed = language.say("{number} tokens/s", number=language.count(round(training["tokens_per_second"])))
        facts.append((language.say("Median speed"), Cell(speed)))
    if memory := training["curves"].get("memory_mib"):
        peak = language.count(round(max(point["high"] for point in memory)))
        facts.append((language.say("Peak memory"), Cell(f"{peak}{NO_BREAK}MiB")))
    attempts = language.say_n("{count}, without interruption", "{count}, resumed", training["attempts"])
    facts.append((language.say("Attempts"), Cell(attempts)))
    return facts + _recipe_facts(document["lineage"]["recipe"], language)


def _recipe_facts(recipe: Mapping[str, Any], language: Language) -> list[tuple[str, Cell]]:
    method, options = recipe.get("method") or {}, recipe.get("training") or {}
    facts = []
    if method.get("kind"):
        rank = language.say(", rank {rank}", rank=method["rank"]) if "rank" in method else ""
        facts.append((language.say("Method"), Cell(f"{method['kind']}{rank}")))
    if options.get("learning_rate") is not None:
        facts.append((language.say("Highest learning rate"), Cell(language.significant(options["learning_rate"]))))
    if isinstance(options.get("batch_size"), int):
        # Older recipes gave the sequences of one forward pass, and the passes of a step.
        sequences = options["batch_size"] * options.get("accumulation", 1)
        facts.append((language.say("Sequences per step"), Cell(language.count(sequences))))
    if options.get("seed") is not None:
        facts.append((language.say("Seed"), Cell(str(options["seed"]))))
    return facts


def data_section(document: Mapping[str, Any], language: Language) -> Section:
    """What the model learned from, and what was wrong with it."""
    title = language.say("Data")
    lead = language.say("What the model learned from. Nothing is dropped silently: each refused row is named.")
    data = document["data"]
    if data is None:
        facts = Facts(_part_facts(document, language))
        return Section("data", title, lead, [*missing(document, language, "data"), facts])
    blocks: list[Block] = [_data_verdict(data, language)]
    blocks += [Note(reason, "bad") for reason in data["reasons"]]
    blocks.append(Facts(_data_facts(data, language)))
    if figure := parts_figure(data, language):
        blocks.append(figure)
    blocks.append(_findings_table(data, language))
    folded = [_finding_list(each, language) for each in data["findings"]]
    if folded:
        blocks.append(Fold(language.say("Findings by file and line"), folded))
    blocks.append(Fold(language.say("Files read"), [sources_table(data, language)]))
    return Section("data", title, lead, blocks)


def _data_verdict(data: Mapping[str, Any], language: Language) -> Note:
    if data["passed"]:
        return Note(language.say("The data check passed."), "good")
    return Note(language.say("The data check failed."), "bad")


def _part_facts(document: Mapping[str, Any], language: Language) -> list[tuple[str, Cell]]:
    parts = document["lineage"]["data"]["parts"]
    return [(_rows_of(part, language), Cell(language.count(parts[part]["rows"]))) for part in _PARTS if part in parts]


def _rows_of(part: str, language: Language) -> str:
    return language.say("Rows, {part}", part=part_name(language, part))


def _data_facts(data: Mapping[str, Any], language: Language) -> list[tuple[str, Cell]]:
    clusters, lengths = data["duplicate_clusters"], data["answer_chars"]
    facts = [
        (language.say("Rows read"), Cell(language.count(data["rows_read"]))),
        (language.say("Rows readable"), Cell(language.count(data["rows_ok"]))),
        (language.say("Rows used"), Cell(language.count(data["rows_used"]))),
        (
            language.say("Training, validation, test"),
            Cell(" + ".join(language.count(data["splits"].get(part, 0)) for part in _PARTS)),
        ),
        (
            language.say("Exact duplicates"),
            Cell(repeats(clusters["exact_rows"], clusters["exact"], language)),
        ),
        (
            language.say("Alike rows, kept on one side of the split"),
            Cell(repeats(clusters["near_rows"], clusters["near"], language)),
        ),
    ]
    if lengths:
        shown = language.say(
            "median {median}, 95% up to {p95}, longest {longest} characters",
            median=language.count(lengths["median"]),
            p95=language.count(lengths["p95"]),
            longest=language.count(lengths["max"]),
        )
        facts.append((language.say("Answers"), Cell(shown)))
    facts.append((language.say("Fingerprint of the rows"), short(data["fingerprint"])))
    return facts


def repeats(rows: int, clusters: int, language: Language) -> str:
    """So many rows in so many clusters."""
    if not rows:
        return language.say("none")
    counted = language.say_n("{count} row", "{count} rows", rows)
    return language.say_n("{rows} in {count} cluster", "{rows} in {count} clusters", clusters, rows=counted)


def short(digest: str) -> Cell:
    """A digest by its first twelve digits, the whole value at hand."""
    return Cell(digest[:12] or EM_DASH, full=digest, code=bool(digest))


def parts_figure(data: Mapping[str, Any], language: Language) -> Figure | None:
    """Rows by category and part; None where the rows have no categories."""
    totals: dict[str, dict[str, int]] = {}
    for part, counts in data["categories"].items():
        for category, count in counts.items():
            totals.setdefault(category, {})[part] = count
    if len(totals) < 2:
        return None
    rows = []
    for category, counts in sorted(totals.items(), key=lambda pair: (-sum(pair[1].values()), pair[0])):
        name = category or language.say("no category")
        parts = [
            (counts.get(part, 0), f"part-{part}", f"{name}, {part_name(language, part)}: {counts.get(part, 0)}")
            for part in _PARTS
        ]
        rows.append((name, parts, " + ".join(language.count(counts.get(part, 0)) for part in _PARTS)))
    title = language.say("Rows by category")
    description = "; ".join(f"{name}: {shown}" for name, _, shown in rows)
    wide, narrow = (charts.stacks(rows, width=width, title=title, description=description) for width in (WIDE, NARROW))
    return Figure(title, wide, narrow, legend=[(f"part-{part}", part_name(language, part)) for part in _PARTS])


def _findings_table(data: Mapping[str, Any], language: Language) -> Table | Note:
    if not data["findings"]:
        return Note(language.say("The check found nothing to remark on."), "good")
    head = [language.say("Finding"), language.say("How often"), language.say("Of these refused")]
    rows = [
        [
            Cell(capital(finding_name(language, each["kind"]))),
            Cell(language.count(each["count"])),
            Cell(language.count(each["errors"])),
        ]
        for each in data["findings"]
    ]
    return Table(language.say("What the check found"), head, rows)


def _finding_list(group: Mapping[str, Any], language: Language) -> Table:
    shown = group["shown"]
    caption = capital(finding_name(language, group["kind"]))
    if group["count"] > len(shown):
        caption = language.say(
            "{finding}: the first {shown} of {count}",
            finding=caption,
            shown=language.count(len(shown)),
            count=language.count(group["count"]),
        )
    rows = [
        [
            Cell(f"{each['file']}:{each['line']}" if each["line"] else each["file"], code=True),
            Cell(each["message"], english=True),
        ]
        for each in shown
    ]
    return Table(caption, [language.say("Where"), language.say("What")], rows)


def sources_table(data: Mapping[str, Any], language: Language) -> Table:
    """The files that were read."""
    head = [language.say("File"), language.say("Rows"), language.say("Shape"), language.say("Encoding"), "SHA-256"]
    rows = [
        [
            Cell(source["file"], code=True),
            Cell(
                language.say(
                    "{ok} of {read}", ok=language.count(source["rows_ok"]), read=language.count(source["rows_read"])
                )
            ),
            Cell(source["shape"] or EM_DASH),
            Cell(source["encoding"]),
            short(source["sha256"]),
        ]
        for source in data["sources"]
    ]
    return Table("", head, rows)
