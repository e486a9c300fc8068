"""`kamerton compare-runs A B`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help="a run id, its beginning, its folder, or last")
    parser.add_argument("second", metavar="B", help="the run to hold against it")
    parser.add_argument("--no-replay", action="store_true", help="stay with what is recorded: step and fields")
    parser.add_argument("--anyway", action="store_true", help="replay also on another class of machine than the runs'")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.compare_runs import compare_runs

    with TrainingProgress(screen, "replaying") as progress:
        found = compare_runs(
            options.first,
            options.second,
            replay=not options.no_replay,
            anyway=options.anyway,
            on_progress=progress,
        )
    for sentence in found.what_differs:
        screen.say(f"  {sentence}")
    screen.say(found.conclusion, style="bold green" if found.identical else "bold red")
    for sentence in found.not_replayed:
        screen.say(f"  not replayed: {sentence}")
    screen.document(found.model_dump(mode="json"))
    return 0 if found.identical else 1
