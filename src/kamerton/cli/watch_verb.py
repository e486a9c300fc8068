"""`kamerton watch RUN`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping

from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]

_HASH = re.compile("[0-9a-f]{64}")


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
                progress.news(f"{str(event['time'])[11:19]} {event['kind']}{_details(event)}")
    screen.document(last)
    return 0


def _details(event: Mapping[str, object]) -> str:
    """What an event says in a few words; tables are for `--json`."""
    said = ((key, value) for key, value in event.items() if key not in {"kind", "time"})
    return "".join(f"  {key} {_short(value)}" for key, value in said if isinstance(value, str | int | float))


def _short(value: object) -> str:
    """Hashes by their beginning, as everywhere."""
    text = str(value)
    return text[:16] if _HASH.fullmatch(text) else text
