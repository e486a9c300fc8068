"""The page of a data report: the verdict, the checklist, and all that was found and measured."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kamerton.records.data import DataReport
from kamerton.records.statistics import ChecklistItem
from kamerton.registry.report.blocks import Card, Cell, Facts, Page, ReasonLine, Section, Table, Tone, VerdictBox
from kamerton.registry.report.data_findings import (
    augmentation_section,
    cleaning_section,
    findings_section,
    leaks_section,
    privacy_section,
)
from kamerton.registry.report.data_statistics import balance_section, diversity_section, noise_section, sizes_section
from kamerton.registry.report.language import Language, mark
from kamerton.registry.report.page_training import parts_figure, repeats, short, sources_table
from kamerton.registry.report.terms import item_name

__all__ = ["build_data_page"]

_TONES: dict[str, Tone] = {"passed": "good", "failed": "bad", "warning": "own", "unknown": "quiet"}
_STATES = {
    "passed": mark("fine"),
    "failed": mark("failed"),
    "warning": mark("worth a look"),
    "unknown": mark("not known"),
}


def build_data_page(report: DataReport, code: str) -> Page:
    """Everything that is read, in the order in which it is read.

    Raises:
        RequestError: there is no such language.
    """
    language = Language(code)
    sections = [
        _checklist_section(report, language),
        _sources_section(report, language),
        findings_section(report, language),
        cleaning_section(report, language),
        privacy_section(report, language),
        leaks_section(report, language),
        augmentation_section(report, language),
        sizes_section(report, language),
        balance_section(report, language),
        diversity_section(report, language),
        noise_section(report, language),
    ]
    return Page(
        language=code,
        title=_title(report, language),
        kicker=language.say("Report on a data set"),
        subtitle=language.say("Fingerprint of the rows {digest}", digest=report.fingerprint[:16]),
        verdict=_verdict(report, language),
        warnings=[],
        cards=_cards(report, language),
        sections=[section for section in sections if section is not None],
        footer=[language.say("Made by Kamerton from the record of one check.")],
        contents=language.say("Contents"),
        script=_script(),
    )


@cache
def _script() -> str:
    return (Path(__file__).parent / "templates" / "search.js").read_text(encoding="utf-8")


def _title(report: DataReport, language: Language) -> str:
    """The name of the only file without its folder and suffix, or how many files there are."""
    if len(report.sources) == 1:
        name = report.sources[0].file.rstrip("/").rpartition("/")[2]
        return name.partition(".")[0] or name
    return language.say_n("{count} file", "{count} files", len(report.sources))


def _verdict(report: DataReport, language: Language) -> VerdictBox:
    failed = [item for item in report.checklist if item.state == "failed"]
    doubts = sum(item.state == "warning" for item in report.checklist)
    if report.passed:
        word, tone = language.say("Passed"), "good"
        sentence = language.say_n(
            "Nothing stands against training on it; {count} point is worth a look.",
            "Nothing stands against training on it; {count} points are worth a look.",
            doubts,
        )
    else:
        word, tone = language.say("Did not pass"), "bad"
        sentence = language.say_n(
            "{count} threshold is not met.", "{count} thresholds are not met.", len(failed) or len(report.reasons)
        )
    reasons = [
        ReasonLine(
            item_name(language, item.name),
            _sentence(item, language) + (f" ({item.setting})" if item.setting else ""),
            False,
        )
        for item in failed
    ]
    if not failed:
        # A report from before there was a checklist.
        reasons = [ReasonLine(language.say("Reason"), reason, False, english=True) for reason in report.reasons]
    return VerdictBox(language.say("The data check"), word, sentence, "good" if tone == "good" else "bad", reasons)


def _cards(report: DataReport, language: Language) -> list[Card]:
    errors = sum(finding.severity == "error" for finding in report.findings)
    clusters = report.duplicate_clusters
    cards = [
        Card(
            language.say("Rows used"),
            language.count(report.rows_used),
            language.say("of {rows} read", rows=language.count(report.rows_read)),
        ),
        Card(
            language.say("Findings"),
            language.count(len(report.findings)),
            language.say("{errors} of them refused a row or a file", errors=language.count(errors)),
        ),
        Card(
            language.say("Equal rows"),
            language.count(clusters.exact_rows),
            language.say("alike: {rows}", rows=repeats(clusters.near_rows, clusters.near, language)),
        ),
    ]
    if report.splits.get("validation") or report.splits.get("test"):
        parts = " + ".join(language.count(report.splits.get(part, 0)) for part in ("train", "validation", "test"))
        cards.append(Card(language.say("Training, validation, test"), parts, language.say("rows in each part")))
    tokens = report.statistics.tokens if report.statistics else None
    if tokens is not None:
        cards.append(
            Card(
                language.say("Tokens to train on"),
                language.significant(tokens.total.value),
                language.say("rows cut: {count}", count=language.count(tokens.truncated + tokens.masked)),
            )
        )
    return cards


def _checklist_section(report: DataReport, language: Language) -> Section | None:
    if not report.checklist:
        return None
    head = [language.say("Question"), language.say("State"), language.say("Found")]
    rows = [
        [
            Cell(item_name(language, item.name)),
            Cell(language.say(_STATES[item.state]), tone=_TONES[item.state]),
            Cell(_sentence(item, language), [item.setting]),
        ]
        for item in report.checklist
    ]
    lead = language.say("What is asked of data before a training, and what this set answers.")
    return Section("checklist", language.say("Checklist"), lead, [Table("", head, rows, wide=True)])


def _sentence(item: ChecklistItem, language: Language) -> str:
    """What was found, in this language; the record's own sentence where it is none of ours."""
    values = {
        key: language.share(value)
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else language.count(value)
        for key, value in item.values.items()
    }
    try:
        return language.say(item.message, **values) if values else language.say(item.message)
    except (KeyError, IndexError, ValueError, AttributeError):
        return item.text


def _sources_section(report: DataReport, language: Language) -> Section:
    document = report.model_dump(mode="json", include={"sources", "categories"})
    blocks = [sources_table(document, language), parts_figure(document, language)]
    lead = language.say("What was read, and how each file was understood.")
    title = language.say("Files")
    fingerprint = Facts([(language.say("Fingerprint of the rows"), short(report.fingerprint))])
    return Section("files", title, lead, [*(block for block in blocks if block is not None), fingerprint])
