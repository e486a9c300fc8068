"""`kamerton data protect`: personal data and secrets in rows, and the rows without them as a new file or version."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.cli.arguments import add_runner_arguments
from kamerton.cli.data.destination import add_destination_arguments, say_written, written_document
from kamerton.cli.data.shown import say_findings
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from kamerton.data.privacy import PrivacyResult
    from kamerton.recipe import PrivacySection
    from kamerton.records.data import Finding

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source_arguments(parser)
    parser.add_argument(
        "--action",
        dest="protection",  # the verb itself has an action
        default="report",
        choices=("report", "mask", "pseudonymise", "drop"),
        help="report writes nothing; the others write a result: mask with [PESEL] in place of a find, pseudonymise "
        "with the same invented value for the same person everywhere, drop without the row (report)",
    )
    parser.add_argument(
        "--kinds", default="", metavar="KIND,...", help="what is looked for, such as pesel,email (all but names)"
    )
    parser.add_argument(
        "--names-model", default="", metavar="MODEL", help="a spaCy model (folder or name): look for names, too"
    )
    add_destination_arguments(parser)
    add_runner_arguments(parser)


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import StepProgress
    from kamerton.data.batches import runner
    from kamerton.flows.protect_data import ProtectionRequest, protect_data

    request = ProtectionRequest(asked_sources(options), options=_section(options), out=options.out, to=options.to)
    with StepProgress(screen) as progress:
        done = protect_data(request, run=runner(options.workers, options.runner), on_step=progress)
    report = done.result.report
    say_findings(done.unread, screen)
    if done.result.findings:
        screen.say(_table(done.result))
    screen.say(_summary(done.result))
    if lost := sum(finding.severity == "error" for finding in done.unread):
        screen.say(f"{lost} rows could not be read")
    if report.key_id:
        screen.say(f"pseudonyms by the key {report.key_id}: the same persons get the same ones wherever it is used")
    otherwise = "--action mask (or pseudonymise, drop) with --out FILE or --to NAME writes the protected rows"
    say_written(done.written, len(done.result.rows), screen, otherwise)
    screen.document(
        {
            "rows_read": done.rows_read,
            "rows": len(done.result.rows),
            "report": report.model_dump(mode="json"),
            "findings": [finding.model_dump(mode="json") for finding in [*done.unread, *done.result.findings]],
        }
        | written_document(done.written)
    )
    return 0


def _section(options: argparse.Namespace) -> PrivacySection:
    """The options of `data.privacy`.

    Raises:
        RequestError: an unknown kind, or names without a model of them.
    """
    from typing import get_args

    from kamerton.recipe import PrivacyKind, PrivacySection

    known = get_args(PrivacyKind)
    given = [kind.strip() for kind in options.kinds.split(",") if kind.strip()]
    if unknown := [kind for kind in given if kind not in known]:
        raise RequestError(f"no such kind: {unknown[0]!r}", where="--kinds", expected=", ".join(known))
    if "name" in given and not options.names_model:
        raise RequestError("names need a model of them", where="--kinds name", mend="--names-model pl_core_news_sm")
    kinds = [*(given or PrivacySection().kinds), *(["name"] if options.names_model else [])]
    return PrivacySection.model_validate(
        {"action": options.protection, "kinds": kinds, "names_model": options.names_model}
    )


def _table(result: PrivacyResult) -> Table:
    """A row a kind: how often, in how many rows, and where first."""
    from kamerton.cli.data.check_shown import places
    from kamerton.cli.tables import plain_table

    by_kind: dict[str, dict[tuple[str, int], Finding]] = {}
    for finding in result.findings:
        by_kind.setdefault(finding.kind.removeprefix("privacy_"), {}).setdefault((finding.file, finding.line), finding)
    found = result.report.found
    rows = [
        [kind, f"{found[kind]:,}", f"{len(by_kind[kind]):,}", places(list(by_kind[kind].values()))]
        for kind in sorted(found, key=lambda kind: (-found[kind], kind))
    ]
    return plain_table(["kind", "finds", "rows", "where first"], rows, right=("finds", "rows"), wrap=("where first",))


def _summary(result: PrivacyResult) -> str:
    report = result.report
    told = f"{report.rows:,} rows: {report.rows_concerned:,} with personal data or secrets"
    if report.action == "report":
        return told
    return f"{told}, {report.rows_changed:,} changed, {report.rows_set_aside:,} set aside, {len(result.rows):,} left"
