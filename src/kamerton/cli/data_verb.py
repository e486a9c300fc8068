"""`kamerton data read|check|split|commit|log|show|diff|tag|export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.records.data import DatasetVersion, Finding

__all__ = ["add_arguments", "run"]

_SHOWN = 20
_SHAPES = ("auto", "alpaca", "prompt_completion", "sharegpt", "messages", "text")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in (
        ("read", "show the first rows and how each file was understood"),
        ("check", "every finding by file and line, duplicates, lengths"),
    ):
        action = actions.add_parser(name, help=summary)
        action.add_argument("sources", nargs="+", metavar="SOURCE", help="files, globs, or versions name@tag")
        action.add_argument("--shape", default="auto", choices=_SHAPES, help="shape of the rows (auto)")
    parts = actions.add_parser("split", help="part rows by cluster of alike rows")
    parts.add_argument("sources", nargs="+", metavar="SOURCE")
    parts.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="gets train, validation and test.jsonl"
    )
    parts.add_argument("--validation", type=float, default=0.1, metavar="SHARE", help="share of rows (0.1)")
    parts.add_argument("--test", type=float, default=0.15, metavar="SHARE", help="share of rows (0.15)")
    parts.add_argument("--seed", type=int, default=42, help="seed (42)")
    commit = actions.add_parser("commit", help="keep rows as an immutable version")
    commit.add_argument("name", metavar="NAME")
    commit.add_argument("sources", nargs="+", metavar="SOURCE")
    commit.add_argument("--message", default="", help="what changed and why")
    commit.add_argument("--tag", help="a name for this version that never moves")
    log = actions.add_parser("log", help="the versions of a data set")
    log.add_argument("name", metavar="NAME")
    show = actions.add_parser("show", help="a version and its first rows")
    show.add_argument("ref", metavar="NAME@TAG")
    diff = actions.add_parser("diff", help="rows that only one of two versions has")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")
    tag = actions.add_parser("tag", help="name a version")
    tag.add_argument("ref", metavar="NAME@vN")
    tag.add_argument("tag", metavar="TAG")
    export = actions.add_parser("export", help="a version as JSON lines")
    export.add_argument("ref", metavar="NAME@TAG")
    export.add_argument("--out", required=True, type=Path, metavar="FILE")


def run(options: argparse.Namespace, screen: Screen) -> int:
    return int(globals()[f"_{options.action}"](options, screen))


def _read(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import read_data

    read = read_data(options.sources, shape=options.shape)
    for source in read.sources:
        shape = f"{source.shape} ({source.shape_reason})" if source.shape else "of no known shape"
        screen.say(f"{source.file}: {source.rows_ok} of {source.rows_read} rows, {shape}")
    _say_findings(read.findings, screen)
    _show_rows(read.rows, screen)
    screen.document(
        {
            "sources": [source.model_dump(mode="json") for source in read.sources],
            "findings": [finding.model_dump(mode="json") for finding in read.findings],
            "rows": _documents(read.rows),
        }
    )
    return 0


def _check(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import check_data

    report = check_data(options.sources, shape=options.shape)
    _say_findings(report.findings, screen)
    clusters = report.duplicate_clusters
    screen.say(f"rows read {report.rows_read}, understood {report.rows_ok}, usable {report.rows_used}")
    screen.say(
        f"repeated: {clusters.exact_rows} rows in {clusters.exact} exact sets, "
        f"{clusters.near_rows} in {clusters.near} alike clusters"
    )
    if report.answer_chars:
        lengths = report.answer_chars
        screen.say(
            f"answers: {lengths.min} to {lengths.max} characters, median {lengths.median}, 95 % up to {lengths.p95}"
        )
    for reason in report.reasons:
        screen.say(f"NO  {reason}", style="bold red")
    screen.document(report.model_dump(mode="json"))
    return 0 if report.passed else 1


def _split(options: argparse.Namespace, screen: Screen) -> int:
    from pydantic import ValidationError

    from kamerton.flows.datasets import split_data
    from kamerton.recipe import SplitSection

    try:
        section = SplitSection(validation=options.validation, test=options.test, seed=options.seed)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = "--" + str(fault["loc"][0]) if fault["loc"] else "--validation, --test"
        raise RequestError(fault["msg"].removeprefix("Value error, "), where=where) from error
    parts, findings = split_data(options.sources, options.out, options=section)
    _say_findings(findings, screen)
    for name, rows in parts.items():
        screen.say(f"{options.out / name}.jsonl: {len(rows)} rows")
    counts = {name: len(rows) for name, rows in parts.items()}
    screen.document(counts | {"findings": [finding.model_dump(mode="json") for finding in findings]})
    return 0


def _commit(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import commit_data

    version, pointer, findings = commit_data(options.name, options.sources, message=options.message, tag=options.tag)
    _say_findings(findings, screen)
    screen.say(f"{version.name}@v{version.version}: {version.rows} rows, fingerprint {version.fingerprint}")
    screen.say(f"pointer for Git: {pointer}")
    more = {"pointer": str(pointer), "findings": [finding.model_dump(mode="json") for finding in findings]}
    screen.document(version.model_dump(mode="json") | more)
    return 0


def _log(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import moment, plain_table
    from kamerton.data import DatasetStore
    from kamerton.ground.settings import Workspace

    versions = DatasetStore(Workspace.at()).log(options.name)
    rows = [
        [f"v{v.version}", ", ".join(v.tags), str(v.rows), v.fingerprint[:16], moment(v.created), v.message]
        for v in versions
    ]
    columns = ["version", "tags", "rows", "fingerprint", "created", "message"]
    screen.say(plain_table(columns, rows, right=("rows",), wrap=("tags", "message")))
    screen.document([version.model_dump(mode="json") for version in versions])
    return 0


def _show(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.data import DatasetStore
    from kamerton.ground.settings import Workspace

    store = DatasetStore(Workspace.at())
    version, rows = store.show(options.ref), store.rows(options.ref)
    _say_version(version, screen)
    _show_rows(rows, screen)
    screen.document(version.model_dump(mode="json") | {"first_rows": _documents(rows)})
    return 0


def _diff(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import diff_data

    found = diff_data(options.first, options.second)
    screen.say(f"{len(found.added)} rows only in {options.second}, {len(found.removed)} only in {options.first}")
    for sign, rows, style in (("+", found.added, "green"), ("-", found.removed, "red")):
        for row in rows[:_SHOWN]:
            screen.say(f"{sign} {_line(row, screen.console.width - 2)}", style=style)
    screen.document({"added": _documents(found.added, None), "removed": _documents(found.removed, None)})
    return 0


def _tag(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.datasets import tag_data

    version = tag_data(options.ref, options.tag)
    _say_version(version, screen)
    screen.document(version.model_dump(mode="json"))
    return 0


def _export(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.data import DatasetStore
    from kamerton.flows.datasets import export_rows
    from kamerton.ground.settings import Workspace

    rows = DatasetStore(Workspace.at()).rows(options.ref)
    export_rows(rows, options.out)
    screen.say(f"{options.out}: {len(rows)} rows")
    screen.document({"file": str(options.out), "rows": len(rows)})
    return 0


def _say_findings(findings: list[Finding], screen: Screen) -> None:
    for finding in findings[:_SHOWN]:
        screen.say(f"{finding.file}:{finding.line}: {finding.severity}: {finding.kind}: {finding.message}")
    if len(findings) > _SHOWN:
        screen.say(f"... and {len(findings) - _SHOWN} more findings; --json has them all")


def _say_version(version: DatasetVersion, screen: Screen) -> None:
    tags = f" ({', '.join(version.tags)})" if version.tags else ""
    screen.say(
        f"{version.name}@v{version.version}{tags}: {version.rows} rows, {version.created[:19]}, {version.message}"
    )
    screen.say(f"fingerprint {version.fingerprint}")


def _show_rows(rows: list[Row], screen: Screen) -> None:
    for row in rows[:5]:
        screen.say(_line(row, screen.console.width), style="dim")


def _line(row: Row, width: int) -> str:
    prompt = row.prompt[-1]["content"] + " => " if row.prompt else ""
    text = " ".join((prompt + row.answer).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def _documents(rows: list[Row], first: int | None = 5) -> list[dict[str, object]]:
    return [
        {
            "row_hash": row.row_hash,
            "messages": row.messages,
            "text": row.text,
            "category": row.category,
            "group": row.group,
        }
        for row in rows[:first]
    ]
