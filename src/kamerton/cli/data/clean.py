"""`kamerton data clean`: what each step finds, before and after, and the mended rows as a new file or version."""

from __future__ import annotations

import argparse
import re
import unicodedata
from typing import TYPE_CHECKING

from kamerton.cli.arguments import add_runner_arguments
from kamerton.cli.data.destination import add_destination_arguments, say_written, written_document
from kamerton.cli.data.shown import say_findings
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen, shown
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from kamerton.flows.clean_data import CleanedData
    from kamerton.records.cleaning import CleaningExample, CleaningReport, CleaningStep

__all__ = ["add_arguments", "run"]

_FEW = 2
"""Examples of each step; `--show` gives all that the report keeps of one."""
_NARROWEST = 20
"""Columns that a text gets on the narrowest terminal."""
_INVISIBLE = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser)
    parser.add_argument("--fix", action="store_true", help="mend what can be mended; with --out or --to")
    add_destination_arguments(parser)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of data.clean, such as refusals=drop"
    )
    parser.add_argument("--model", default="", help="whose tokens max_tokens counts")
    parser.add_argument("--show", default="", metavar="STEP", help="more examples of one step")
    add_runner_arguments(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import StepProgress
    from kamerton.data.batches import runner
    from kamerton.data.cleaning.steps import STEPS
    from kamerton.flows.clean_data import CleaningRequest, clean_data

    if options.fix != (options.out is not None or bool(options.to)):
        what = "a result needs a place" if options.fix else "a place for a result that is not asked for"
        raise RequestError(what, where="kamerton data clean", expected="--fix with --out FILE or --to NAME, or none")
    if options.show and options.show not in STEPS:
        raise RequestError("no such step", where=f"--show {options.show}", expected=", ".join(STEPS))
    request = CleaningRequest(
        asked_sources(options), settings=options.set, out=options.out, to=options.to, model=options.model
    )
    with StepProgress(screen) as progress:
        done = clean_data(request, run=runner(options.workers, options.runner), on_step=progress)
    report = done.result.report
    say_findings(done.unread, screen)
    screen.say(_counts(report))
    _say_examples(report, options.show, screen)
    _say_outcome(done, screen)
    screen.document(
        {
            "rows_read": done.rows_read,
            "rows": len(done.result.rows),
            "report": report.model_dump(mode="json"),
            "findings": [finding.model_dump(mode="json") for finding in [*done.unread, *done.result.findings]],
            "options": done.options.model_dump(mode="json"),
        }
        | written_document(done.written)
    )
    return 0


def _counts(report: CleaningReport) -> Table:
    from kamerton.cli.tables import plain_table

    numbers = ["looked at", "found", "changed", "set aside"]
    rows = [
        [step.name, step.action, *(str(count) for count in (step.looked_at, step.found, step.changed, step.set_aside))]
        for step in report.steps
    ]
    return plain_table(["step", "does", *numbers], rows, right=numbers)


def _say_examples(report: CleaningReport, only: str, screen: Screen) -> None:
    one_file = len({example.file for step in report.steps for example in step.examples}) == 1
    for step in report.steps:
        if not step.found or (only and step.name != only):
            continue
        examples = step.examples if only else step.examples[:_FEW]
        screen.say("")
        screen.say(_heading(step, len(examples)), style="bold")
        for example in examples:
            place = f"line {example.line}" if one_file else f"{example.file}:{example.line}"
            _say_example(example, place, screen)


def _heading(step: CleaningStep, shown: int) -> str:
    if shown == step.found:
        return step.name
    more = f"; --show {step.name} shows more" if shown < len(step.examples) else "; --json names all"
    return f"{step.name}: {shown} of {step.found} rows{more}"


def _say_example(example: CleaningExample, place: str, screen: Screen) -> None:
    """What was found, the text before and, where a step can mend it, after; what differs stands out."""
    from rich.text import Text

    _say_hanging("  ", Text(shown(f"{place}: {example.message}"), style="dim"), screen)
    before, after = visible(example.before), visible(example.after or "")
    start, end = _changed(before, after) if example.after is not None else (len(before), 0)
    lines = [("-", before, "red")] if example.after is None else [("-", before, "red"), ("+", after, "green")]
    for sign, text, colour in lines:
        line = Text(text[:start])
        line.append(text[start : len(text) - end], style=colour).append(text[len(text) - end :])
        _say_hanging(f"  {sign} ", line, screen)


def _say_hanging(sign: str, text: Text, screen: Screen) -> None:
    """A text behind a sign, its further lines as far from the edge as its first."""
    from rich.text import Text

    width = max(_NARROWEST, screen.console.width - len(sign))
    for number, line in enumerate(text.wrap(screen.console, width, overflow="fold")):
        screen.say(Text.assemble(" " * len(sign) if number else sign, line))


def _changed(before: str, after: str) -> tuple[int, int]:
    """How many characters two texts share at the beginning, and at the end."""
    shortest = min(len(before), len(after))
    start = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    left = shortest - start
    return start, next((i for i in range(left) if before[-1 - i] != after[-1 - i]), left)


def visible(text: str) -> str:
    """The text in quotes, with everything that a screen would not show, or would obey, as an escape."""
    return '"' + re.sub(r"[^\x20-\x7e]", lambda found: _escaped(found[0]), text) + '"'


def _escaped(letter: str) -> str:
    if letter.isprintable() and not unicodedata.combining(letter):
        return letter
    code = ord(letter)
    return _INVISIBLE.get(letter) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def _say_outcome(done: CleanedData, screen: Screen) -> None:
    report = done.result.report
    screen.say("")
    screen.say(
        f"{report.rows} rows: {report.rows_changed} changed, {report.rows_set_aside} set aside, "
        f"{len(done.result.rows)} left"
    )
    if lost := sum(finding.severity == "error" for finding in done.unread):
        screen.say(f"{lost} {'row' if lost == 1 else 'rows'} could not be read")
    otherwise = "--fix --out FILE or --fix --to NAME writes the mended rows"
    say_written(done.written, len(done.result.rows), screen, otherwise)
