"""`kamerton watch RUN`."""

from __future__ import annotations

import argparse
import json

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="last", metavar="RUN", help="a run id, its beginning, or last (last)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.follow import watch

    last: dict[str, object] = {}
    with TrainingProgress(screen, keep=True) as progress:
        for event in watch(options.run, history=progress.draws):
            last = event
            if event["kind"] in {"step", "alarm"}:
                progress(event)
            elif event["kind"] == "evaluated":
                progress({"step": event["step"], "validation_loss": event["loss"]})
            else:
                details = {key: value for key, value in event.items() if key not in {"kind", "time"}}
                progress.news(f"{str(event['time'])[11:19]} {event['kind']} {json.dumps(details, ensure_ascii=False)}")
    screen.document(last)
    return 0
