"""`kamerton train RECIPE [key=value ...] [--folds K]` and `kamerton train --resume RUN`."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kamerton.cli.arguments import positive
from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from kamerton.cli.progress import TrainingProgress
    from kamerton.records import RunRecord
    from kamerton.records.folds import CrossValidationRecord

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="recipe file (YAML)")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="key=value", help="values that replace the recipe's"
    )
    parser.add_argument("--resume", metavar="RUN", help="train an interrupted run on: a run id, its beginning, or last")
    parser.add_argument("--on", choices=["local", "torchrun"], default="local", help="what starts the training")
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="with --on torchrun: how many share the run (2 without it)"
    )
    parser.add_argument(
        "--folds",
        type=positive,
        metavar="K",
        help="cross-validate: train K times, each time measured on another fold (2 to 20); the same command goes on "
        "after an interruption",
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    if (options.recipe is None) == (options.resume is None):
        raise RequestError(
            "give a recipe, or --resume RUN", mend="kamerton train RECIPE, or kamerton train --resume last"
        )
    if options.folds is not None:
        return _folds(options, screen)
    record = _resumed(options, screen) if options.resume is not None else _trained(options, screen)
    if record is not None:
        _say_trained(record, screen)
    return 0


def _trained(options: argparse.Namespace, screen: Screen) -> RunRecord:
    from kamerton.flows.preparing import Preparer

    processes = _processes(options)
    with Preparer() as preparer:  # it imports while this process does
        from kamerton.cli.progress import TrainingProgress
        from kamerton.flows.train import train_with

        with TrainingProgress(screen) as progress:
            return train_with(
                preparer, options.recipe, overrides=options.overrides, processes=processes, on_progress=progress
            )


def _resumed(options: argparse.Namespace, screen: Screen) -> RunRecord | None:
    """The record, where this process speaks for all that share the run."""
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.train import resume

    if int(os.environ.get("RANK", "0")):
        resume(options.resume)
        return None
    with TrainingProgress(screen) as progress:
        return resume(options.resume, processes=_processes(options), on_progress=progress)


def _say_trained(record: RunRecord, screen: Screen) -> None:
    from kamerton.ground.settings import Workspace
    from kamerton.journal import read_events

    for event in read_events(Workspace.at().runs / record.run_id):
        if event["kind"] == "passed_over":
            screen.say(f"passed over a checkpoint, {event['checkpoint']}")
    result = record.result
    screen.say(
        f"{record.run_id}: {result.steps} steps, loss {result.first_loss:.3f} -> {result.last_loss:.3f}, "
        f"{result.tokens / max(result.seconds, 1e-9):,.0f} tokens/s"
    )
    screen.say(f"model sha256 {result.model_sha256}")
    tested = "test" in record.data.parts and record.data.parts["test"].rows
    screen.say(f"next: kamerton evaluate {record.run_id} --on {'test' if tested else 'FILE'}")
    screen.document(record.model_dump(mode="json"))


def _processes(options: argparse.Namespace) -> int:
    """How many processes share the run."""
    if options.on == "torchrun":
        return int(options.processes or 2)
    if options.processes is not None:
        raise RequestError("one process trains locally", where="--processes", mend="add --on torchrun")
    return 1


def _folds(options: argparse.Namespace, screen: Screen) -> int:
    if options.resume is not None:
        raise RequestError(
            "--resume goes on with one run", where="--folds", mend=f"kamerton train RECIPE --folds {options.folds}"
        )
    from kamerton.flows.folds import cross_validate

    with _FoldsProgress(screen, options.folds) as progress:
        record = cross_validate(options.recipe, folds=options.folds, overrides=options.overrides, on_progress=progress)
    screen.say(_folds_table(record))
    screen.say(
        f"mean over {record.folds} folds with its {record.confidence:.0%} interval (corrected for the training rows "
        "that folds share: Nadeau and Bengio 2003)"
    )
    for run in record.runs:
        screen.say(f"{run.run_id}: trained on {run.train_rows} rows, measured on {run.validation_rows}")
    screen.document(record.model_dump(mode="json"))
    return 0


def _folds_table(record: CrossValidationRecord) -> Table:
    """One row a metric: its mean with the interval, then each fold."""
    from kamerton.cli.tables import plain_table

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"

    folds = [f"fold {run.fold}" for run in record.runs]
    rows = []
    for name, metric in record.metrics.items():
        interval = "-" if metric.low is None else f"[{number(metric.low)}, {number(metric.high)}]"
        rows.append([name, number(metric.mean), interval, *map(number, metric.values)])
    return plain_table(["", "mean", "interval", *folds], rows, right=("mean", "interval", *folds))


class _FoldsProgress(ExitStack):
    """Shows the events of one fold after the other, each with a rate and a remaining time of its own."""

    def __init__(self, screen: Screen, folds: int) -> None:
        super().__init__()
        self._screen = screen
        self._folds = folds
        self._shown: dict[int, TrainingProgress] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        from kamerton.cli.progress import TrainingProgress

        fold = event["fold"]
        if fold not in self._shown:
            title = f"fold {fold + 1} of {self._folds}"
            self._shown[fold] = self.enter_context(TrainingProgress(self._screen, title))
        self._shown[fold](event)
