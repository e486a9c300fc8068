"""Compare two runs: what made them, the first step at which they part, and what in that step parts first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kamerton.flows.evidence import recorded_trace, what_changed
from kamerton.flows.prepare import prepare_again
from kamerton.flows.ready import Progress, open_replay
from kamerton.flows.rebuild import machine_differences, shared_otherwise
from kamerton.flows.train import LINEAGE
from kamerton.ground.errors import KamertonError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, TraceStep, find_run, first_difference
from kamerton.recipe import Recipe
from kamerton.records import DataLineage, RunRecord
from kamerton.records.divergence import DivergenceRecord, PartingPoint

if TYPE_CHECKING:
    from kamerton.training.watch import Deed, Parting

__all__ = ["compare_runs"]


@dataclass(frozen=True)
class _Side:
    """One of the runs."""

    run: RunFolder

    @cached_property
    def record(self) -> RunRecord | None:
        return RunRecord.read(self.run.record_file) if self.run.record_file.exists() else None

    @cached_property
    def trace(self) -> list[TraceStep]:
        return recorded_trace(self.run, self.record)

    @cached_property
    def lineage(self) -> DataLineage:
        return self.record.data if self.record else DataLineage.read(self.run.path / LINEAGE)

    def document(self) -> dict[str, Any]:
        """What made the run, as far as it is known."""
        data = self.lineage.model_dump(mode="json", include={"parts", "weights", "fingerprint"})
        made: dict[str, Any] = {"recipe": self.run.recipe(), "data": data}
        if self.record is not None:
            made |= self.record.model_dump(mode="json", include={"base", "code", "environment"})
        return made

    def obstacles(self, workspace: Workspace, *, anyway: bool) -> Iterator[str]:
        """Why this run cannot be replayed here."""
        try:
            if self.record is not None:
                yield from what_changed(self.record, self.run, workspace)
                if not anyway:
                    yield from machine_differences(self.record, self.record.environment.processes)
            else:
                prepare_again(self.lineage, workspace)
        except KamertonError as error:
            yield f"{error.what} ({error.where})"


@dataclass
class _Replay:
    """What came out of a run's steps here."""

    deeds: dict[int, list[Deed]]
    lines: list[TraceStep]


def compare_runs(
    first: str,
    second: str,
    workspace: Workspace | None = None,
    *,
    replay: bool = True,
    anyway: bool = False,
    on_progress: Progress | None = None,
) -> DivergenceRecord:
    """Say where two runs part.

    The recorded artefacts name the first step and the fields that differ. Where both runs can be replayed here, they
    are, from the last state that they have in common to that step, and the first module and operation is named.

    Args:
        replay: False stays with what is recorded.
        anyway: replay also on another class of machine than the runs'.

    Raises:
        RequestError: there is no such run.
        StorageError: a trace's chain of hashes is broken, which names the step, or its end is not the recorded one.
    """
    place = (workspace or Workspace.at()).ensure()
    began = time.monotonic()
    sides = _Side(find_run(place, first)), _Side(find_run(place, second))
    parted = first_difference(sides[0].trace, sides[1].trace)
    differs = list(_differences(sides[0].document(), sides[1].document()))
    replays, start, parting, obstacles, shared = [], None, None, [], []
    if parted and parted[1] != ["steps"]:
        obstacles = list(_obstacles(sides, place, replay=replay, anyway=anyway))
        begin, source = _last_common(sides, parted[0])
        shared = [f"{side.run.run_id}: {why}" for side in sides for why in shared_otherwise(side.run, begin, parted[0])]
        if replay and not anyway:
            obstacles += shared
        if not obstacles:
            start = begin
            try:
                replays = [_replayed(side, source, (start, parted[0]), place, on_progress) for side in sides]
                parting = _first_parting(*replays)
            except StorageError as error:
                start, obstacles = None, [f"{error.what} ({error.where})"]
    reproduced = [
        side.run.run_id
        for side, made in zip(sides, replays, strict=False)
        if parted and first_difference(side.trace[start or 0 : parted[0]], made.lines) is None
    ]
    models = [side.record.result.model_sha256 for side in sides if side.record]
    finished = "not both of them are finished" if len(models) < len(sides) else ""
    if len(set(models)) > 1:
        finished = "their finished models have other bytes"
    conclusion = _conclusion(parted, parting, reproduced, replayed=bool(replays), finished=finished)
    return DivergenceRecord(
        runs=(sides[0].run.run_id, sides[1].run.run_id),
        identical=parted is None and not finished,
        what_differs=differs,
        steps=(len(sides[0].trace), len(sides[1].trace)),
        first_different_step=parted[0] if parted else None,
        different_fields=parted[1] if parted else [],
        replayed_from=start,
        not_replayed=obstacles,
        parting=PartingPoint(**parting._asdict()) if parting else None,
        reproduced=reproduced,
        conclusion="; ".join([conclusion, *shared]),
        seconds=round(time.monotonic() - began, 3),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _differences(first: dict[str, Any], second: dict[str, Any], path: str = "") -> Iterator[str]:
    """One sentence for each value that two documents do not share."""
    for key in [*first, *(key for key in second if key not in first)]:
        mine, other, name = first.get(key), second.get(key), f"{path}{key}"
        if isinstance(mine, dict) and isinstance(other, dict):
            yield from _differences(mine, other, f"{name}." if path else f"{key}: ")
        elif mine != other:
            if not path and (mine is None or other is None):
                yield f"{name}: not recorded of a run that is not finished"
            else:
                yield f"{name} is {mine!r} and {other!r}"


# -- replay ------------------------------------------------------------------------------------------------------------
def _obstacles(sides: tuple[_Side, _Side], workspace: Workspace, *, replay: bool, anyway: bool) -> Iterator[str]:
    if not replay:
        yield "no replay was asked for"
        return
    for side in sides:
        for sentence in side.obstacles(workspace, anyway=anyway):
            yield f"{side.run.run_id}: {sentence}"


def _last_common(sides: tuple[_Side, _Side], step: int) -> tuple[int, RunFolder]:
    """The last state before a step that both runs had and one has kept; 0 is the beginning."""
    from kamerton.training.replay import sealed_checkpoints

    kept = [(0, sides[0].run)]
    for side in sides:
        kept += [(place, side.run) for place in sealed_checkpoints(side.run, side.trace) if place < step]
    return max(kept, key=lambda each: each[0])


def _replayed(
    side: _Side, source: RunFolder, segment: tuple[int, int], workspace: Workspace, on_progress: Progress | None
) -> _Replay:
    from kamerton.training.replay import stand_at
    from kamerton.training.watch import watched

    told = on_progress or (lambda event: None)
    recipe = Recipe.model_validate(side.run.recipe())
    made = _Replay({}, [])
    with open_replay(recipe, side.lineage, workspace, told) as loop:
        stand_at(loop, source, segment[0])
        with watched(loop) as done:
            while loop.step < segment[1]:
                told(loop.advance())
                assert loop.trace.last is not None
                made.lines.append(loop.trace.last)
                made.deeds[loop.step] = done.copy()
                done.clear()
    return made


def _first_parting(ours: _Replay, theirs: _Replay) -> Parting | None:
    from kamerton.training.watch import first_parting

    for step, done in ours.deeds.items():
        if parting := first_parting(step, done, theirs.deeds[step]):
            return parting
    return None


# -- in words ----------------------------------------------------------------------------------------------------------
def _conclusion(
    parted: tuple[int, list[str]] | None,
    parting: Parting | None,
    reproduced: list[str],
    *,
    replayed: bool,
    finished: str,
) -> str:
    if parted is None:
        same = "the runs are equal from the first step to the last"
        return f"{same}, and {finished}" if finished else same
    step, fields = parted
    if fields == ["steps"]:
        return f"the runs are equal as far as both go: one of them ends at step {step - 1}"
    seen = f"the traces part at step {step} ({', '.join(fields)})"
    if not replayed:
        return seen
    makes = f"this machine makes the recorded trace of {' and of '.join(reproduced) or 'neither'}"
    if parting is None:
        return (
            f"{seen}, and both runs replay here to equal bits: the difference came from the machine or from luck, "
            f"not from recipe, data or code; {makes}"
        )
    of = f" of {parting.module}" if parting.module else ""
    passed = f", forward pass {parting.forward_pass}" if parting.forward_pass else ""
    where = f"step {parting.step}{passed}: {parting.operation}{of}"
    return f"{seen}; the first thing that differs is in {where}; {makes}"
