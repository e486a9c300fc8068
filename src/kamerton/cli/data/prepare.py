"""`kamerton data prepare`: the rows that a recipe's run would learn from, as files for any trainer."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.cli.arguments import add_recipe_arguments, add_runner_arguments
from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.flows.prepare import Prepared
    from kamerton.records.augmentation import AugmentationReport
    from kamerton.records.data import DataReport
    from kamerton.records.leaks import LeakReport

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="gets train.jsonl, validation.jsonl, test.jsonl, data_report.json and data_report.html; where training "
        "rows are not all seen equally often, they have a column `weight`",
    )
    parser.add_argument("--language", choices=["pl", "en"], default="en", help="language of the page (en)")
    add_runner_arguments(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.data.check_shown import say_verdict
    from kamerton.cli.progress import StepProgress
    from kamerton.cli.tables import plain_table
    from kamerton.data.batches import runner
    from kamerton.flows.prepare_data import REPORT, prepare_data

    with StepProgress(screen) as progress:
        done = prepare_data(
            options.recipe,
            options.out,
            overrides=options.overrides,
            language=options.language,
            run=runner(options.workers, options.runner),
            on_step=progress,
        )
    screen.say(plain_table(["step", "what it did"], _steps(done), wrap=("what it did",)))
    sets = _sets(done)
    if len(sets) > 1 or any(weight != 1.0 for weight in done.weights):
        columns = ["set", "rows", "weight of a row", "share of an epoch"]
        screen.say("")
        screen.say(plain_table(columns, _weights(sets), right=columns[1:], wrap=("set",)))
    screen.say("")
    files = {f"{options.out / name}.jsonl": len(rows) for name, rows in done.parts.items() if rows}
    for file, count in files.items():
        screen.say(f"{file}: {count:,} rows")
    for name, rows in done.parts.items():
        if not rows:
            screen.say(f"{name}: no rows, and no file")
    screen.say(f"report: {options.out / REPORT}.json and .html")
    say_verdict(done.report, screen)
    for reason in done.report.reasons:
        screen.say(f"NO  {reason}")
    screen.document({"files": files, "sets": sets, "report": done.report.model_dump(mode="json")})
    return 0 if done.report.passed else 1


def _steps(done: Prepared) -> Iterator[list[str]]:
    """What each step of `data:` did, in their order; a step that was not asked for is left out."""
    report = done.report
    kinds = Counter(finding.kind for finding in report.findings)
    files = len(report.sources)
    yield [
        "read",
        f"{report.rows_read:,} rows of {files} {'file' if files == 1 else 'files'}, {report.rows_ok:,} understood",
    ]
    if report.cleaning is not None:
        yield ["clean", f"{report.cleaning.rows_changed:,} changed, {report.cleaning.rows_set_aside:,} set aside"]
    if (told := _private(report)) is not None:
        yield ["privacy", told]
    if report.leaks is not None:
        yield ["leaks", _leaks(report.leaks, kinds["leaking_row"])]
    if report.augmentation is not None:
        yield ["augment", _augmented(report.augmentation)]
    if kinds["balanced_out"]:
        yield ["balance", f"{kinds['balanced_out']:,} training rows taken out"]
    if replayed := _replayed(done, kinds):
        yield ["replay", replayed]


def _private(report: DataReport) -> str | None:
    privacy = report.privacy
    if privacy is None or privacy.action == "off":
        return None
    found = f"personal data or secrets in {privacy.rows_concerned:,} rows"
    if privacy.action == "report":
        return found
    key = f"; pseudonyms by the key {privacy.key_id}" if privacy.key_id else ""
    return f"{found}: {privacy.rows_changed:,} changed, {privacy.rows_set_aside:,} set aside{key}"


def _leaks(leaks: LeakReport, dropped: int) -> str:
    sets = "; ".join(
        f"{found.name}: {found.contaminated:,} of {found.items:,} items {'stood' if found.dropped else 'stand'} in the "
        "training rows"
        for found in leaks.sets
    )
    return f"{sets}; {dropped:,} training rows set aside" if dropped else sets


def _augmented(augmentation: AugmentationReport) -> str:
    steps = []
    for step in augmentation.steps:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in step.refused.items())
        steps.append(f"{step.kind}: {step.made:,} rows made" + (f", refused: {refused}" if refused else ""))
    return "; ".join(steps)


def _replayed(done: Prepared, kinds: Counter[str]) -> str:
    from kamerton.data.weights import replay_set

    sign = replay_set("")
    again = Counter(row.source.removeprefix(sign) for row in done.parts["train"] if row.source.startswith(sign))
    told = [f"{name}: {rows:,} rows to see again" for name, rows in again.items()]
    if held_out := kinds["replay_held_out"]:
        told.append(f"{held_out:,} left out as alike a held-out row")
    if known := kinds["replay_known"]:
        told.append(f"{known:,} known anyway")
    return "; ".join(told)


def _sets(done: Prepared) -> dict[str, dict[str, Any]]:
    """The training rows of each set: how many, how often one is seen in an epoch, and their share of it."""
    by_set: dict[str, list[float]] = {}
    for row, weight in zip(done.parts["train"], done.weights, strict=True):
        by_set.setdefault(row.source or "train", []).append(weight)
    whole = sum(done.weights)
    return {
        name: {
            "rows": len(weights),
            "least_weight": min(weights),
            "largest_weight": max(weights),
            "share": sum(weights) / whole,
        }
        for name, weights in sorted(by_set.items())
    }


def _weights(sets: dict[str, dict[str, Any]]) -> Iterator[list[str]]:
    for name, found in sets.items():
        least, largest = f"{found['least_weight']:.3g}", f"{found['largest_weight']:.3g}"
        weight = least if least == largest else f"{least} to {largest}"
        yield [name, f"{found['rows']:,}", weight, f"{found['share']:.1%}"]
