"""`kamerton diagnose RUN|FILE`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run id, its beginning, last, or a trainer_state.json or trainer_log.jsonl of another program",
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Exit 1 where an alarm of severity `error` stands: the model should not be used as it is."""
    from kamerton.flows.diagnose import diagnose

    found = diagnose(options.run)
    for alarm in found.alarms:
        where = f" at step {alarm.step}" if alarm.step else ""
        screen.say(f"{alarm.severity}: {alarm.kind}{where}: {alarm.symptom}", style="bold")
        screen.say(f"  evidence: {alarm.evidence}")
        screen.say(f"  likely cause: {alarm.cause}")
        screen.say(f"  change: {alarm.change}")
    if not found.alarms:
        screen.say("no alarm")
    for sentence in found.unjudged:
        screen.say(f"not judged: {sentence}", style="dim")
    screen.document(found.document())
    return 0 if found.passed else 1
