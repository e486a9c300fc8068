"""Replay: steps of a run made again, from one of its checkpoints or from the beginning.

A step is a function of recipe, data, the state before it and its number, so that any stretch of a run can be made again
alone. What comes out is held against the trace, whose chain of hashes seals each step and the state at checkpoints.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from kamerton.journal import RunFolder, TraceStep, first_difference
from kamerton.training.checkpoint import read_checkpoint
from kamerton.training.loop import Loop

__all__ = ["replay", "sealed_checkpoints", "stand_at"]


def sealed_checkpoints(run: RunFolder, trace: Sequence[TraceStep]) -> list[int]:
    """Steps with a checkpoint whose state the trace seals, in order."""
    sealed = {step.step for step in trace if step.state}
    kept = (int(path.name.removeprefix("step-")) for path in sorted(run.checkpoints.glob("step-*")))
    return [step for step in kept if step in sealed]


def stand_at(loop: Loop, source: RunFolder, step: int) -> None:
    """Put a fresh loop where a run stood after a step; 0 is the beginning.

    Args:
        loop: its own run folder is a scratch one; it gets the lines of the source's trace up to the step.

    Raises:
        StorageError: the checkpoint is damaged, was made from another base, or is not what the trace sealed.
    """
    loop.network.model.train()
    if step == 0:
        loop.trace.keep(0)
        return
    shutil.copyfile(source.trace_file, loop.run.trace_file)
    loop.resume(read_checkpoint(source.checkpoints, step))


def replay(
    loop: Loop, end: int, recorded: Sequence[TraceStep], told: Callable[[dict[str, object]], None]
) -> tuple[int, list[str]] | None:
    """Go on to a step, or to the first that does not come out as recorded.

    Returns:
        that step and the fields of its trace line that differ; None where every line is as recorded.
    """
    while loop.step < end:
        told(loop.advance())
        assert loop.trace.last is not None
        if parted := first_difference(recorded[loop.step - 1 : loop.step], [loop.trace.last]):
            return parted
    return None
