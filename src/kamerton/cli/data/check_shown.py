"""A data report for the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from kamerton.cli.screen import Screen
from kamerton.cli.tables import plain_table
from kamerton.ground.shares import share_text
from kamerton.records.augmentation import AugmentationReport
from kamerton.records.data import DataReport, Finding
from kamerton.records.statistics import Balance, Bin, ChecklistItem, DataStatistics, Distribution, LabelNoise, Sampled

__all__ = ["MARKS", "places", "say_checklist", "say_findings_by_kind", "say_report", "say_verdict"]

_PLACES = 4
"""Places that are named of each kind of finding; the JSON document has them all."""
_LISTED = 12
"""Files, categories and pairs that are listed."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BAR = 40
"""Width of the longest bar, where the screen has room for it."""

MARKS = {"passed": "ok", "warning": "??", "failed": "NO", "unknown": "--"}
"""In front of an answer of the checklist."""


def say_report(report: DataReport, screen: Screen) -> None:
    """All of it, the checklist and the verdict last: they stand where the eye is when the command ends."""
    folder = _common_folder(report)
    _say_sources(report, folder, screen)
    say_findings_by_kind(report.findings, screen, folder)
    if report.statistics is not None:
        _say_statistics(report.statistics, folder, screen)
    clusters = report.duplicate_clusters
    _head("Rows", screen)
    screen.say(f"rows read {report.rows_read}, understood {report.rows_ok}, usable {report.rows_used}")
    screen.say(
        f"repeated: {clusters.exact_rows} rows in {clusters.exact} exact sets, "
        f"{clusters.near_rows} in {clusters.near} alike clusters"
    )
    if report.augmentation is not None:
        _say_augmentation(report.augmentation, folder, screen)
    say_checklist(report.checklist, screen, folder)
    screen.say("")
    say_verdict(report, screen)


def say_verdict(report: DataReport, screen: Screen) -> None:
    """Whether the data passed."""
    failed = len(report.reasons)
    if report.passed:
        screen.say("the data passed", style="bold green")
    else:
        screen.say(f"the data did not pass: {failed} {'reason' if failed == 1 else 'reasons'}", style="bold red")


def say_checklist(items: Sequence[ChecklistItem], screen: Screen, folder: str = "") -> None:
    """Each question with its answer, and with the threshold where it failed."""
    _head("Checklist", screen)
    rows = []
    for item in items:
        told = f"{item.text}; {item.setting}" if item.state == "failed" and item.setting else item.text
        rows.append([MARKS[item.state], item.name, _without(folder, told)])
    screen.say(plain_table(["", "check", "found"], rows, wrap=("found",)))


def say_findings_by_kind(findings: Sequence[Finding], screen: Screen, folder: str = "") -> None:
    """A row a kind, with its count, its first places and the first message.

    Args:
        folder: with a slash at the end; it is left out of the files' names.
    """
    if not findings:
        return
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    _head("Findings", screen)
    rows = []
    for kind, found in sorted(by_kind.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        errors = sum(finding.severity == "error" for finding in found)
        text = f"{places(found)}\n{found[0].message}"
        rows.append([kind, f"{len(found):,}", f"{errors:,}", _without(folder, text)])
    columns = ["finding", "count", "errors", "where first, and what"]
    screen.say(plain_table(columns, rows, right=("count", "errors"), wrap=("where first, and what",)))


def _head(title: str, screen: Screen) -> None:
    screen.say("")
    screen.say(title, style="bold")


def places(found: Sequence[Finding]) -> str:
    """`a.jsonl:3, 7, b.jsonl:1 and 12 more`: a file is named once for all its lines."""
    parts: list[str] = []
    last = None
    for finding in found[:_PLACES]:
        place = str(finding.line) if finding.line else ""
        if finding.file != last:
            place = f"{finding.file}:{place}" if place else finding.file
        if place:
            parts.append(place)
        last = finding.file
    more = len(found) - _PLACES
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _without(folder: str, text: str) -> str:
    return text.replace(folder, "") if folder else text


def _common_folder(report: DataReport) -> str:
    """The folder, with a slash at the end, that all files are in; empty where it would not shorten their names."""
    named = {*(source.file for source in report.sources), *(finding.file for finding in report.findings)}
    absolute = all(name.startswith("/") for name in named)
    folder = (os.path.commonpath(map(os.path.dirname, named)) if named and absolute else "") + "/"
    return folder if len(folder) > 1 else ""


def _say_sources(report: DataReport, folder: str, screen: Screen) -> None:
    _head(f"Files in {folder[:-1]}" if folder else "Files", screen)
    shown = report.sources[:_LISTED]
    rows = [
        [
            _without(folder, source.file),
            f"{source.rows_ok} of {source.rows_read}",
            source.shape or "none known",
            source.encoding or "-",
        ]
        for source in shown
    ]
    screen.say(plain_table(["file", "rows", "shape", "encoding"], rows, right=("rows",), wrap=("file",)))
    if len(report.sources) > len(shown):
        screen.say(f"... and {len(report.sources) - len(shown)} more files; --json has them all")


def _say_augmentation(augmentation: AugmentationReport, folder: str, screen: Screen) -> None:
    """What each step made, what of it was refused and why, and one example."""
    _head(f"Augmentation: {augmentation.made:,} new rows", screen)
    rows = []
    for step in augmentation.steps:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in step.refused.items())
        rows.append([step.kind, f"{step.rows:,}", f"{step.made:,}", refused or "-"])
    screen.say(plain_table(["step", "rows", "made", "refused"], rows, right=("rows", "made"), wrap=("refused",)))
    examples = [
        [_without(folder, f"{example.file}:{example.line}"), f"{_short(example.before)}\n{_short(example.after)}"]
        for step in augmentation.steps
        for example in step.examples[:1]
    ]
    if examples:
        screen.say(plain_table(["where", "before, and after"], examples, wrap=("where", "before, and after")))


def _say_statistics(statistics: DataStatistics, folder: str, screen: Screen) -> None:
    for name, lengths in statistics.characters.items():
        if name != "row" or len(statistics.characters) == 1:
            _say_histogram(f"Characters of {'an' if name == 'answer' else 'a'} {name}", lengths, screen)
    tokens = statistics.tokens
    if tokens is not None and tokens.per_row is not None:
        sampled = tokens.sampled_rows < tokens.rows
        among = f"a sample of {tokens.sampled_rows} of {tokens.rows} rows" if sampled else f"all {tokens.rows} rows"
        _say_histogram(f"Tokens of a training row, by {tokens.model}, in {among}", tokens.per_row, screen)
        screen.say(f"tokens of all training rows: {_estimate(tokens.total, '{:,.0f}')}")
        screen.say(f"characters a token: {_estimate(tokens.chars_per_token, '{:.2f}')}")
        screen.say(f"share that is learned: {_estimate(tokens.trained_share, '{:.1%}')}")
    _say_diversity(statistics, screen)
    for balance in statistics.balance:
        _say_balance(balance, screen)
    _say_noise(statistics.noise, folder, screen)


def _say_histogram(title: str, lengths: Distribution, screen: Screen) -> None:
    _head(title, screen)
    screen.say(
        f"{lengths.min:,} to {lengths.max:,}, median {lengths.median:,}, mean {lengths.mean:,.0f}, "
        f"90 % between {lengths.p5:,} and {lengths.p95:,}"
    )
    for line in _bars(lengths.bins, screen.console.width):
        screen.say(line)


def _bars(bins: Sequence[Bin], width: int) -> Iterator[str]:
    """`   100-149 ██████▍ 1,234`: one line a bin."""
    names = [f"{each.low:,}" if each.high - each.low == 1 else f"{each.low:,}-{each.high - 1:,}" for each in bins]
    counts = [f"{each.count:,}" for each in bins]
    left, right = max(map(len, names)), max(map(len, counts))
    room = max(4, min(_BAR, width - left - right - 4))
    most = max(each.count for each in bins)
    for name, count, each in zip(names, counts, bins, strict=True):
        yield f"  {name:>{left}} {_bar(each.count / most * room)} {count}"


def _bar(length: float) -> str:
    whole, eighth = divmod(round(length * 8), 8)
    bar = "█" * whole + _EIGHTHS[eighth].strip()
    return bar or ("▏" if length else "")


def _estimate(sampled: Sampled, form: str) -> str:
    """A value with its interval, or why there is none."""
    if sampled.value is None:
        return f"not known: {sampled.why}"
    value = form.format(sampled.value)
    if sampled.low is None or sampled.high is None or sampled.method == "all rows":
        return value
    return f"{value} [{form.format(sampled.low)}, {form.format(sampled.high)}]"


def _say_diversity(statistics: DataStatistics, screen: Screen) -> None:
    if not statistics.lexical:
        return
    _head("Diversity, with 95 % intervals", screen)
    names = {
        "distinct_1": "different words in {words}",
        "distinct_2": "different word pairs",
        "distinct_3": "different word triples",
        "compression": "times smaller when compressed",
    }
    words = f"{next(iter(statistics.lexical.values())).block_words:,}"
    columns = ["", *statistics.lexical]
    rows = []
    for field, name in names.items():
        form = "{:.2f}" if field == "compression" else "{:.1%}"
        cells = [_estimate(getattr(found, field), form) for found in statistics.lexical.values()]
        rows.append([name.format(words=words), *cells])
    meaning = statistics.semantic
    screen.say(plain_table(columns, rows, wrap=columns[1:]))
    screen.say(f"mean distance of meanings: {_estimate(meaning.distance, '{:.3f}')}")
    if meaning.vendi.value is not None:
        screen.say(f"different meanings among {meaning.vendi.n:,} rows (Vendi score): {meaning.vendi.value:,.0f}")


def _say_balance(balance: Balance, screen: Screen) -> None:
    plural = "categories" if balance.by == "category" else "tasks"
    _head(f"Rows by {balance.by}, {balance.part}", screen)
    rows = sum(balance.counts.values())
    shown = list(balance.counts.items())[:_LISTED]
    most = max(balance.counts.values())
    width = max(8, min(_BAR, screen.console.width - 50))
    lines = [
        [name or "(none)", f"{count:,}", share_text(count / rows, 1), _bar(count / most * width)]
        for name, count in shown
    ]
    screen.say(plain_table([balance.by, "rows", "share", ""], lines, right=("rows", "share"), wrap=(balance.by,)))
    if len(balance.counts) > len(shown):
        screen.say(f"... and {len(balance.counts) - len(shown)} more {plural}")
    screen.say(f"{len(balance.counts)} {plural}, as uneven as {balance.effective:.1f} equal ones")


def _say_noise(noise: LabelNoise, folder: str, screen: Screen) -> None:
    if not noise.pairs:
        return
    _head("One question, different answers", screen)
    screen.say(f"{noise.equal_rows:,} rows with an equal question, {noise.near_rows:,} more with a nearly equal one")
    rows = [
        [
            _without(folder, f"{pair.first.file}:{pair.first.line}\n{pair.second.file}:{pair.second.line}"),
            "\n".join(_short(text) for text in pair.answers) or "(not shown: personal data)",
        ]
        for pair in noise.pairs[:3]
    ]
    screen.say(plain_table(["where", "answers"], rows, wrap=("where", "answers")))
    if noise.pairs_found > 3:
        screen.say(f"... and {noise.pairs_found - 3:,} more pairs; --html and --json show up to {len(noise.pairs)}")


def _short(text: str, most: int = 70) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
