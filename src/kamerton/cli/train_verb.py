"""`kamerton train RECIPE [key=value ...]` and `kamerton train --resume RUN`."""

from __future__ import annotations

import argparse

from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="recipe file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="values that replace the recipe's"
    )
    parser.add_argument("--resume", metavar="RUN", help="train an interrupted run on: a run id, its beginning, or last")


def run(options: argparse.Namespace, screen: Screen) -> int:
    if (options.recipe is None) == (options.resume is None):
        raise RequestError(
            "give a recipe, or --resume RUN", mend="kamerton train RECIPE, or kamerton train --resume last"
        )
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.train import resume, train
    from kamerton.ground.settings import Workspace
    from kamerton.journal import read_events

    with TrainingProgress(screen) as progress:
        if options.resume:
            record = resume(options.resume, on_progress=progress)
        else:
            record = train(options.recipe, overrides=options.overrides, on_progress=progress)
    for event in read_events(Workspace.at().runs / record.run_id):
        if event["kind"] == "passed_over":
            screen.say(f"passed over a checkpoint, {event['checkpoint']}")
    result = record.result
    screen.say(
        f"{record.run_id}: {result.steps} steps, loss {result.first_loss:.3f} -> {result.last_loss:.3f}, "
        f"{result.tokens / max(result.seconds, 1e-9):,.0f} tokens/s"
    )
    screen.say(f"model sha256 {result.model_sha256}")
    screen.say(f"next: kamerton evaluate {record.run_id} --on test")
    screen.document(record.model_dump(mode="json"))
    return 0
