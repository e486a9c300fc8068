"""`kamerton rebuild MODEL`."""

from __future__ import annotations

import argparse
from pathlib import Path

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a run id, its beginning, last, or NAME@ALIAS")
    parser.add_argument(
        "--recipe", type=Path, metavar="RECIPE", help="also name where this recipe differs from the record"
    )
    parser.add_argument("--anyway", action="store_true", help="train also on another class of machine")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.rebuild import rebuild

    with TrainingProgress(screen, "rebuilding") as progress:
        found = rebuild(options.model, recipe=options.recipe, anyway=options.anyway, on_progress=progress)
    if found.identical:
        screen.say(f"identical, byte for byte: sha256 {found.recorded_sha256}", style="bold green")
    else:
        screen.say("NOT identical", style="bold red")
        for sentence in [*found.what_changed, *found.class_differences]:
            screen.say(f"  {sentence}")
        if found.first_different_step:
            screen.say(f"  the runs part at step {found.first_different_step}: {', '.join(found.different_fields)}")
    screen.document(found.model_dump(mode="json"))
    return 0 if found.identical else 1
