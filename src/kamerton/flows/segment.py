"""A segment of a run made again from a checkpoint: the audit of a long run at the cost of a few steps."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from kamerton.flows.evidence import model_faults, trace_and_faults, what_changed
from kamerton.flows.models import find_model
from kamerton.flows.prepare import prepare_again
from kamerton.flows.ready import open_replay
from kamerton.flows.rebuild import machine_differences, shared_otherwise
from kamerton.flows.results import Results
from kamerton.flows.train import LINEAGE, Progress
from kamerton.ground.errors import KamertonError, MachineError, RequestError, StorageError
from kamerton.ground.rng import stream_seed
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, TraceStep, find_run
from kamerton.recipe import Recipe
from kamerton.records import DataLineage, RunRecord
from kamerton.records.rebuild import SegmentRecord

__all__ = ["rebuild_segment"]

Segment = tuple[int, int]
"""Steps (K, M): from the state after K to the state after M."""


def rebuild_segment(
    model: str,
    workspace: Workspace | None = None,
    *,
    segment: Segment | None = None,
    seed: int | None = None,
    anyway: bool = False,
    on_progress: Progress | None = None,
) -> SegmentRecord:
    """Make some steps of a run again and hold each against the trace.

    Before anything is trained: the chain of the whole trace and its end, data, base, model, the checkpoint's own
    digests, and its state as the trace sealed it. The run need not be finished.

    Args:
        segment: K:M; None draws one between neighbouring checkpoints.
        seed: of the draw; None draws that too.
        anyway: replay also on another class of machine, where equal bits cannot be promised.

    Raises:
        RequestError: no such segment can be replayed, or the run is running.
        RequestError: several processes made its steps: a replay is made by one, which gives other last bits.
        MachineError: this machine is of another class than the one that trained.
    """
    place = (workspace or Workspace.at()).ensure()
    began = time.monotonic()
    run = _find(model, place)
    recorded = RunRecord.read(run.record_file) if run.record_file.exists() else None
    trace, changed = _evidence(run, recorded, place)
    if segment is None and seed is None:
        seed = secrets.randbelow(2**32)
    differences = machine_differences(recorded, recorded.environment.processes) if recorded else []
    made = _Made()
    if not changed:
        segment = _checked(run, trace, segment or _drawn(run, trace, seed or 0))
        shared = shared_otherwise(run, *segment)
        if shared and not anyway:
            raise _shared(run, segment, shared, whole=recorded is not None)
        if differences and not anyway:
            raise _other_class(run, differences)
        # Not refused for what only other attempts had: the segment may stand in the last one.
        differences += shared + (recorded.attempts_unlike if recorded else [])
        made = _replayed(run, trace, segment, place, on_progress)
        changed = list(made.faults)
    begin, end = segment or (0, 0)
    found = SegmentRecord(
        run_id=run.run_id,
        begin=begin,
        end=end,
        seed=seed,
        run_steps=len(trace),
        compared=made.compared,
        identical=not changed and made.parted is None,
        machine_class_equal=not differences,
        class_differences=differences,
        first_different_step=made.parted[0] if made.parted else None,
        different_fields=made.parted[1] if made.parted else [],
        what_changed=changed,
        seconds=round(time.monotonic() - began, 3),
        replay_seconds=round(made.seconds, 3),
        run_seconds=recorded.result.seconds if recorded else None,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    found.write(Results(run).segment_file(begin, end))
    return found


def _find(model: str, workspace: Workspace) -> RunFolder:
    run = find_model(model, workspace).needs_run()[0] if "@" in model else find_run(workspace, model)
    if run.state == "running":
        raise RequestError("the run is running", where=run.run_id, mend=f"kamerton stop {run.run_id}, or wait for it")
    return run


def _other_class(run: RunFolder, differences: list[str]) -> MachineError:
    return MachineError(
        "this machine is of another class than the one that trained, so the bits cannot be the same:\n    "
        + "\n    ".join(differences),
        where=run.run_id,
        mend=f"kamerton rebuild {run.run_id} --segment --anyway says where the steps part",
    )


def _shared(run: RunFolder, segment: Segment, shared: list[str], *, whole: bool) -> RequestError:
    by_as_many = f"kamerton rebuild {run.run_id} makes the whole run again by as many processes; "
    return RequestError(
        f"steps {segment[0] + 1} to {segment[1]} were shared by several processes, and a segment is made by one:\n    "
        + "\n    ".join(shared),
        where=run.run_id,
        expected="steps that one process made",
        mend=f"{by_as_many if whole else ''}--segment --anyway replays by one and says where the steps part",
    )


# -- what is known before anything is trained ------------------------------------------------------------------------
def _evidence(run: RunFolder, recorded: RunRecord | None, workspace: Workspace) -> tuple[list[TraceStep], list[str]]:
    """The run's trace, and whatever is no longer as the run left it."""
    if recorded is not None:
        changed = what_changed(recorded, run, workspace) + model_faults(run, recorded)
    else:
        changed = _changed_since_it_began(run, workspace)
    trace, faults = trace_and_faults(run, recorded)
    return trace, changed + faults


def _changed_since_it_began(run: RunFolder, workspace: Workspace) -> list[str]:
    """A run without a record has its data alone to be held against; its base is held against the checkpoint's."""
    try:
        prepare_again(DataLineage.read(run.path / LINEAGE), workspace)
    except KamertonError as error:
        return [f"data: {error.what} ({error.where})"]
    return []


# -- which steps -----------------------------------------------------------------------------------------------------
def _begins(run: RunFolder, trace: Sequence[TraceStep]) -> list[int]:
    from kamerton.training.replay import sealed_checkpoints

    return [0, *sealed_checkpoints(run, trace)]


def _drawn(run: RunFolder, trace: Sequence[TraceStep], seed: int) -> Segment:
    """One of the segments from a checkpoint that is there to the next one that the run made."""
    sealed = [step.step for step in trace if step.state]
    found = [
        (begin, next(step for step in sealed if step > begin))
        for begin in _begins(run, trace)
        if sealed and begin < sealed[-1]
    ]
    if not found:
        raise RequestError(
            "there is nothing to replay to yet",
            where=run.run_id,
            expected="a run that came to its first checkpoint",
            mend=f"kamerton train --resume {run.run_id}",
        )
    provable = [segment for segment in found if not shared_otherwise(run, *segment)] or found
    return provable[stream_seed(seed, "segment") % len(provable)]


def _checked(run: RunFolder, trace: Sequence[TraceStep], segment: Segment) -> Segment:
    begin, end = segment
    begins, ends = _begins(run, trace), [step.step for step in trace if step.state]
    if begin in begins and end in ends and begin < end:
        return segment
    raise RequestError(
        f"steps {begin} to {end} cannot be replayed",
        where=run.run_id,
        expected=f"K of {_some(begins)}, where there is a checkpoint, and M of {_some(ends)}, where the trace seals "
        "the state; K before M",
        mend="training.keep_every keeps checkpoints to replay from",
    )


def _some(steps: list[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:4], "...", *shown[-3:]]) or "none"


# -- the replay ------------------------------------------------------------------------------------------------------
class _Made(NamedTuple):
    """What came out of a replay."""

    compared: int = 0
    parted: tuple[int, list[str]] | None = None
    """The step and the fields that differ."""
    faults: Sequence[str] = ()
    """What is wrong with the checkpoints at both ends."""
    seconds: float = 0.0
    """Of the steps alone."""


def _replayed(
    run: RunFolder,
    trace: Sequence[TraceStep],
    segment: Segment,
    workspace: Workspace,
    on_progress: Progress | None,
) -> _Made:
    from kamerton.training.replay import replay, stand_at

    begin, end = segment
    told = on_progress or (lambda event: None)
    recipe, lineage = Recipe.model_validate(run.recipe()), DataLineage.read(run.path / LINEAGE)
    with open_replay(recipe, lineage, workspace, told) as loop:
        try:
            stand_at(loop, run, begin)
        except StorageError as error:
            return _Made(faults=[f"checkpoint of step {begin}: {error.what}"])
        began = time.monotonic()
        parted = replay(loop, end, trace, told)
        made = _Made(loop.step - begin, parted, [], time.monotonic() - began)
        if parted is None and end in _begins(run, trace):
            try:
                stand_at(loop, run, end)
            except StorageError as error:
                return made._replace(faults=[f"checkpoint of step {end}: {error.what}"])
        return made
