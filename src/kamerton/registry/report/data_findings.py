"""The chapters of a data page on what was found and done: findings, cleaning, personal data, leaks, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from posixpath import commonpath, dirname

from kamerton.records.augmentation import AugmentationStep
from kamerton.records.cleaning import CleaningStep
from kamerton.records.data import DataReport, Finding
from kamerton.records.leaks import CanaryResult, LeakSet
from kamerton.registry.report.blocks import Block, Cell, Facts, Fold, Note, Search, Section, Table
from kamerton.registry.report.language import EM_DASH, Language, mark
from kamerton.registry.report.terms import capital, finding_name

__all__ = [
    "Placer",
    "augmentation_section",
    "cleaning_section",
    "findings_section",
    "leaks_section",
    "placer",
    "privacy_section",
]

_SHOWN = 200
"""Rows of a list; the record has all."""

Placer = Callable[[str, int], Cell]


def placer(report: DataReport) -> Placer:
    """Writes file and line, without the folder that all files of the report are in."""
    named = {*(source.file for source in report.sources), *(finding.file for finding in report.findings)}
    folder = ""
    if named and all(name.startswith("/") for name in named):
        folder = commonpath([dirname(name) for name in named]).rstrip("/") + "/"

    def place(file: str, line: int) -> Cell:
        whole = f"{file}:{line}" if line else file
        short = whole.removeprefix(folder)
        return Cell(short, full=whole if short != whole else "", code=True)

    return place


def findings_section(report: DataReport, language: Language) -> Section:
    """Every kind, with its places."""
    lead = language.say("What was found, by kind; each with its file and line. Nothing is dropped silently.")
    title = language.say("Findings")
    if not report.findings:
        return Section("findings", title, lead, [Note(language.say("The check found nothing to remark on."), "good")])
    by_kind: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    search = Search(language.say("Search the findings"), language.say("No finding listed here holds these words."))
    place = placer(report)
    groups = sorted(by_kind.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return Section("findings", title, lead, [search, *(_group(kind, found, place, language) for kind, found in groups)])


def _group(kind: str, found: Sequence[Finding], place: Placer, language: Language) -> Fold:
    errors = sum(finding.severity == "error" for finding in found)
    name = capital(finding_name(language, kind))
    count = language.say_n("{count} time", "{count} times", len(found))
    title = f"{name}: {count}"
    if errors:
        title += language.say(", {errors} of them refused", errors=language.count(errors))
    blocks: list[Table | Facts | Note] = [
        Table(
            "",
            [language.say("Where"), language.say("What")],
            [[place(finding.file, finding.line), Cell(finding.message, english=True)] for finding in found[:_SHOWN]],
            wide=True,
        )
    ]
    return Fold(title, [*blocks, *_rest(len(found), language)], searched=kind)


def _rest(count: int, language: Language) -> list[Note]:
    """What a list leaves out is said."""
    if count <= _SHOWN:
        return []
    more = language.count(count - _SHOWN)
    return [Note(language.say("And {more} more; the JSON report has all.", more=more), "quiet")]


def cleaning_section(report: DataReport, language: Language) -> Section | None:
    """Each step with its counts, and what it did to the first rows."""
    cleaning = report.cleaning
    if cleaning is None:
        return None
    head = [
        language.say("Step"),
        language.say("Action"),
        language.say("Rows with it"),
        language.say("Changed"),
        language.say("Set aside"),
    ]
    rows = [
        [
            Cell(step.name, code=True),
            Cell(step.action, code=True),
            Cell(language.count(step.found), tone="own" if step.found else "quiet"),
            Cell(language.count(step.changed)),
            Cell(language.count(step.set_aside)),
        ]
        for step in cleaning.steps
    ]
    place = placer(report)
    examples = [_examples(step, place, language) for step in cleaning.steps if step.examples]
    lead = language.say(
        "{changed} of {rows} rows were changed and {aside} set aside.",
        changed=language.count(cleaning.rows_changed),
        rows=language.count(cleaning.rows),
        aside=language.count(cleaning.rows_set_aside),
    )
    return Section("cleaning", language.say("Cleaning"), lead, [Table("", head, rows, wide=True), *examples])


def _examples(step: CleaningStep, place: Placer, language: Language) -> Fold:
    mends = any(example.after is not None for example in step.examples)
    head = [language.say("Where"), language.say("Before"), language.say("After")] if mends else []
    head = head or [language.say("Where"), language.say("What")]
    rows = []
    for example in step.examples:
        cells = [place(example.file, example.line), Cell(example.before)]
        if mends:
            cells.append(Cell(example.after if example.after is not None else EM_DASH))
        rows.append(cells)
    return Fold(language.say("Examples of {step}", step=step.name), [Table("", head, rows, wide=True)])


def privacy_section(report: DataReport, language: Language) -> Section | None:
    """How much was found; never what."""
    privacy = report.privacy
    if privacy is None:
        return None
    lead = language.say("Counts only: what was found stands in no report.")
    title = language.say("Personal data")
    facts = Facts(
        [
            (language.say("Action"), Cell(privacy.action, code=True)),
            (language.say("Rows looked into"), Cell(language.count(privacy.rows))),
            (language.say("Rows with a find"), Cell(language.count(privacy.rows_concerned))),
            (language.say("Rows masked"), Cell(language.count(privacy.rows_changed))),
            (language.say("Rows set aside"), Cell(language.count(privacy.rows_set_aside))),
            (
                language.say("Rows that still hold it"),
                Cell(language.count(privacy.rows_private), tone="bad" if privacy.rows_private else "good"),
            ),
        ]
    )
    if not privacy.found:
        return Section("privacy", title, lead, [facts])
    rows = [
        [Cell(capital(finding_name(language, f"privacy_{kind}"))), Cell(language.count(count))]
        for kind, count in sorted(privacy.found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return Section("privacy", title, lead, [facts, Table("", [language.say("Kind"), language.say("Finds")], rows)])


def leaks_section(report: DataReport, language: Language) -> Section | None:
    """Each set against the training rows, and how well the detector did on planted leaks."""
    leaks = report.leaks
    if leaks is None:
        return None
    head = [language.say("Set"), language.say("Items"), language.say("In the training rows"), language.say("Share")]
    rows = [
        [
            Cell(found.name),
            Cell(language.count(found.items)),
            Cell(language.count(found.contaminated), tone="bad" if found.contaminated else "good"),
            Cell(language.share(found.share)),
        ]
        for found in leaks.sets
    ]
    blocks: list[Block] = [Table("", head, rows, wide=True)]
    for found in leaks.sets:
        if found.canaries:
            blocks.append(_canaries(found, language))
        if found.found:
            blocks.append(_contaminated(found, placer(report), language))
    lead = language.say(
        "Items of test and evaluation sets that stand in the training rows, and leaks planted on purpose to measure"
        " the detector itself."
    )
    return Section("leaks", language.say("Leaks"), lead, blocks)


_SORTS = ("exact", "near", "paraphrased", "none")


def _canaries(found: LeakSet, language: Language) -> Table:
    names = {
        "exact": language.say("exact copies"),
        "near": language.say("near copies"),
        "paraphrased": language.say("paraphrases"),
        "none": language.say("no leaks (false alarms)"),
    }
    head = [
        language.say("Planted"),
        language.say("How many"),
        language.say("Found"),
        language.say("Share, with its interval"),
    ]
    rows = [
        [
            Cell(names[canary.sort]),
            Cell(language.count(canary.planted)),
            Cell(language.count(canary.found)),
            _share(canary, language),
        ]
        for canary in found.canaries
    ]
    return Table(language.say("Leaks planted for {set}", set=found.name), head, rows, wide=True)


def _share(canary: CanaryResult, language: Language) -> Cell:
    if canary.low is None or canary.high is None:
        return Cell(language.percent(canary.share))
    interval = f"{language.number(100 * canary.low, 1)}–{language.percent(canary.high)}"
    return Cell(language.percent(canary.share), [interval])


def _contaminated(found: LeakSet, place: Placer, language: Language) -> Fold:
    head = [language.say("Item"), language.say("Training row"), language.say("How"), language.say("Words in common")]
    rows = [
        [
            place(item.file, item.line),
            place(match.file, match.line),
            Cell(match.method, [language.number(match.score)], code=True),
            Cell(match.text),
        ]
        for item in found.found[:_SHOWN]
        for match in item.matches[:1]
    ]
    title = language.say("Items of {set} in the training rows", set=found.name)
    return Fold(title, [Table("", head, rows, wide=True), *_rest(len(found.found), language)])


_REFUSED = {
    "unchanged": mark("unchanged: {count}"),
    "empty": mark("empty: {count}"),
    "length": mark("of another length: {count}"),
    "numbers": mark("with other numbers: {count}"),
    "duplicate": mark("said already: {count}"),
    "held_out": mark("alike a row of validation or test: {count}"),
}


def augmentation_section(report: DataReport, language: Language) -> Section | None:
    """What each step made of how many rows, what of it was refused, and the first questions before and after."""
    augmentation = report.augmentation
    if augmentation is None:
        return None
    head = [
        language.say("Step"),
        language.say("Rows augmented"),
        language.say("New rows"),
        language.say("Refused"),
    ]
    rows = [
        [
            Cell(step.kind, code=True),
            Cell(language.count(step.rows)),
            Cell(language.count(step.made)),
            _refused(step, language),
        ]
        for step in augmentation.steps
    ]
    lead = language.say(
        "{made} new training rows were made from others; none of them is alike a row of validation or test.",
        made=language.count(augmentation.made),
    )
    place = placer(report)
    examples = [_before_and_after(step, place, language) for step in augmentation.steps if step.examples]
    title = language.say("Augmentation")
    return Section("augmentation", title, lead, [Table("", head, rows, wide=True), *examples])


def _refused(step: AugmentationStep, language: Language) -> Cell:
    if not step.refused:
        return Cell(language.count(0), tone="quiet")
    reasons = [
        language.say(_REFUSED[reason], count=language.count(count))
        if reason in _REFUSED
        else f"{reason}: {language.count(count)}"
        for reason, count in sorted(step.refused.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return Cell(language.count(sum(step.refused.values())), reasons)


def _before_and_after(step: AugmentationStep, place: Placer, language: Language) -> Fold:
    head = [language.say("Where"), language.say("Before"), language.say("After")]
    rows = [[place(each.file, each.line), Cell(each.before), Cell(each.after)] for each in step.examples]
    return Fold(language.say("Examples of {step}", step=step.kind), [Table("", head, rows, wide=True)])
