"""`kamerton rebuild MODEL`."""

from __future__ import annotations

import argparse
from pathlib import Path

from kamerton.cli.screen import Screen
from kamerton.ground.errors import RequestError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a run id, its beginning, last, or NAME@ALIAS")
    parser.add_argument(
        "--recipe", type=Path, metavar="RECIPE", help="also name where this recipe differs from the record"
    )
    parser.add_argument("--anyway", action="store_true", help="train also on another class of machine")
    parser.add_argument(
        "--restore", action="store_true", help="put the rebuilt model in the place of one that was changed or removed"
    )
    parser.add_argument(
        "--segment",
        nargs="?",
        const="",
        metavar="K:M",
        help="only the steps from the checkpoint of K to step M; without a value one is drawn",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="draws the segment; printed, so that it can be drawn again"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.rebuild import rebuild

    if options.segment is not None:
        return _segment(options, screen)
    if options.seed is not None:
        raise RequestError("--seed draws a segment", mend="add --segment")
    with TrainingProgress(screen, "rebuilding") as progress:
        found = rebuild(
            options.model,
            recipe=options.recipe,
            anyway=options.anyway,
            restore=options.restore,
            on_progress=progress,
        )
    if found.identical:
        screen.say(f"identical, byte for byte: sha256 {found.recorded_sha256}", style="bold green")
        for sentence in found.restored:
            screen.say(f"  {sentence}, and is as recorded again")
    else:
        screen.say("NOT identical", style="bold red")
        for sentence in [*found.what_changed, *found.class_differences]:
            screen.say(f"  {sentence}")
        if found.first_different_step:
            screen.say(f"  the runs part at step {found.first_different_step}: {', '.join(found.different_fields)}")
        if any(sentence.startswith("model: ") for sentence in found.what_changed):
            screen.say(f"  kamerton rebuild {options.model} --restore makes the model again and puts it in its place")
    screen.document(found.model_dump(mode="json"))
    return 0 if found.identical else 1


def _segment(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.progress import TrainingProgress
    from kamerton.flows.segment import rebuild_segment

    for flag, given in (("--recipe", options.recipe is not None), ("--restore", options.restore)):
        if given:
            raise RequestError(f"{flag} goes with a whole rebuild", mend="leave --segment out")
    asked = _parse(options.segment) if options.segment else None
    if asked and options.seed is not None:
        raise RequestError("--seed draws the segment, and one is given", mend="leave --seed or K:M out")
    with TrainingProgress(screen, "replaying") as progress:
        found = rebuild_segment(
            options.model, segment=asked, seed=options.seed, anyway=options.anyway, on_progress=progress
        )
    where = f"steps {found.begin + 1} to {found.end} of {found.run_steps}"
    drawn = "" if found.seed is None else f" (drawn with --seed {found.seed})"
    if found.identical:
        screen.say(f"identical, to the bit: {where}{drawn}", style="bold green")
    else:
        screen.say(f"NOT as recorded: {where}{drawn}" if found.end else "NOT as recorded", style="bold red")
        for sentence in [*found.what_changed, *found.class_differences]:
            screen.say(f"  {sentence}")
        if found.first_different_step:
            screen.say(f"  step {found.first_different_step} differs: {', '.join(found.different_fields)}")
    took = f"  {found.compared} steps in {found.replay_seconds:.1f} s ({found.seconds:.1f} s with loading and checks)"
    whole = f"; the run's training took {found.run_seconds:.1f} s" if found.run_seconds is not None else ""
    screen.say(took + whole)
    screen.document(found.model_dump(mode="json"))
    return 0 if found.identical else 1


def _parse(text: str) -> tuple[int, int]:
    begin, colon, end = text.partition(":")
    if not (colon and begin.isdecimal() and end.isdecimal()):
        raise RequestError("not a segment", where=text, expected="K:M, two steps such as 200:250")
    return int(begin), int(end)
