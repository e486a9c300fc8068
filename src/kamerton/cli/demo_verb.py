"""`kamerton demo [DIR]`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.flows.demo import Step, Tour

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default="kamerton-demo", metavar="DIR", help="where to (kamerton-demo)")
    parser.add_argument("--language", choices=["pl", "en"], default="pl", help="language of the report (pl)")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import EvaluationProgress, TrainingProgress
    from kamerton.flows.demo import STEPS, demo

    def announce(number: int, step: Step) -> None:
        screen.say(f"\n{number:2}/{len(STEPS)} {step.name}", style="bold")
        screen.say(f"      {step.why}", style="dim")
        screen.say(f"      $ {step.command}", style="cyan")

    with TrainingProgress(screen) as training, EvaluationProgress(screen) as evaluation:
        tour = demo(
            options.folder,
            language=options.language,
            on_step=announce,
            on_result=lambda line: screen.say(f"      -> {line}"),
            on_progress=training,
            on_evaluation=evaluation,
        )
    _close(tour, screen)
    screen.document(tour.document())
    return 0 if tour.passed else 1


def _close(tour: Tour, screen: Screen) -> None:
    from kamerton.cli.tables import metrics_table

    screen.say("")
    screen.say(metrics_table(tour.evaluations))
    assert tour.decision is not None
    screen.say(f"gate: {tour.decision.verdict}", style="bold green" if tour.decision.verdict == "pass" else "bold red")
    for reason in tour.decision.reasons:
        screen.say(f"  {'yes' if reason.passed else 'NO '}  {reason.text}")
    screen.say(f"report     {tour.report}")
    screen.say(f"MLflow     mlflow ui --backend-store-uri {tour.workspace.tracking_uri}")
    screen.say(f"time       {sum(tour.seconds.values()):.0f} s")
