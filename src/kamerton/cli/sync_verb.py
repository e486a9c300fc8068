"""`kamerton sync [RUN]`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="one run; all runs without it")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.follow import sync_runs

    reports = sync_runs(options.run)
    for run_id, report in reports.items():
        reason = f": {report.reason}" if report.reason else ""
        screen.say(f"{run_id}: {report.state}, {report.sent} sent{reason}")
    screen.document(
        {name: {"state": found.state, "sent": found.sent, "reason": found.reason} for name, found in reports.items()}
    )
    return 0 if all(report.state == "in step" for report in reports.values()) else 3
