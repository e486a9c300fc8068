"""Rebuild: the proof that a model can be made again, bit for bit."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kamerton.flows.evidence import model_faults, trace_and_faults, what_changed
from kamerton.flows.foreign_template import settle_template
from kamerton.flows.launch import launch
from kamerton.flows.models import find_model
from kamerton.flows.prepare import prepare_again
from kamerton.flows.results import Results
from kamerton.flows.train import LINEAGE, Progress, resolve_in, run_recipe
from kamerton.ground.errors import Interrupted, MachineError, StorageError
from kamerton.ground.files import swap_folder
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, TraceStep, first_difference, processes_of_steps, read_events, read_trace
from kamerton.recipe import Derived, Recipe, read_recipe
from kamerton.records import RunRecord
from kamerton.records.rebuild import RebuildRecord

__all__ = ["machine_differences", "rebuild", "recipe_differences", "shared_otherwise"]


def rebuild(
    model: str,
    workspace: Workspace | None = None,
    *,
    recipe: Path | None = None,
    anyway: bool = False,
    restore: bool = False,
    on_progress: Progress | None = None,
) -> RebuildRecord:
    """Train the recorded recipe again on the recorded data and compare the bytes.

    Args:
        recipe: a recipe file to hold against the recorded one; a difference is named, nothing is trained, and the
            proof that the run may have already is left as it is.
        anyway: train also on another class of machine, where equal bits cannot be promised.
        restore: train also where the finished model was changed or removed, and put the rebuilt one in its place if its
            bytes are the recorded ones.

    Raises:
        MachineError: this machine is of another class, or its class probe gives another hash; the differences are
            told before anything is trained.
        Interrupted: stopped; nothing is kept of a rebuild that did not end.
    """
    place = (workspace or Workspace.at()).ensure()
    ref = find_model(model, place)
    run, recorded = ref.needs_run()
    began = time.monotonic()
    other = recipe_differences(recorded.recipe, _given_recipe(recipe, recorded, place)) if recipe is not None else []
    trace, faults = trace_and_faults(run, recorded)
    changed = what_changed(recorded, run, place) + faults + other
    lost = model_faults(run, recorded)
    if not restore:
        changed += lost
    processes = recorded.environment.processes
    differences = machine_differences(recorded, processes)
    differences += shared_otherwise(run, 0, recorded.result.steps, processes) + recorded.attempts_unlike
    if differences and not anyway and not changed:
        raise MachineError(
            "equal bits cannot be promised: not all that made the model is of this machine's class:\n    "
            + "\n    ".join(differences),
            where=run.run_id,
            expected=f"machine class {recorded.environment.class_digest}",
            mend=f"kamerton rebuild {model} --anyway trains all the same and says where the runs part",
        )
    again = None if changed else _train_again(recorded, run, place, on_progress)
    found = _compare(recorded, trace, again, changed, differences, time.monotonic() - began)
    if again is not None and found.identical and lost:
        swap_folder(again.model, run.model)
        found = found.model_copy(update={"restored": lost})
    if not other:
        found.write(Results(run).rebuild_file)
    if again is not None and found.identical:
        shutil.rmtree(again.path)
    return found


def _given_recipe(path: Path, recorded: RunRecord, workspace: Workspace) -> dict[str, Any]:
    """A recipe file, resolved for the machine of the run: what that machine decided is no difference of the recipe."""
    decided = recorded.recipe["training"]["compute"]
    machine = {f"training.compute.{key}": Derived(value, "as recorded") for key, value in decided.items()}
    source = settle_template(read_recipe(path), workspace)
    return resolve_in(workspace, source, machine).recipe.model_dump(mode="json")


def recipe_differences(recorded: dict[str, object], given: dict[str, object], path: str = "") -> list[str]:
    sentences = []
    for key in sorted(recorded.keys() | given.keys()):
        old, new = recorded.get(key), given.get(key)
        name = f"{path}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            sentences += recipe_differences(old, new, f"{name}.")
        elif old != new:
            sentences.append(f"recipe: {name} was {old!r} and is now {new!r}")
    return sentences


def machine_differences(recorded: RunRecord, processes: int = 1) -> list[str]:
    """Why this machine may give other bits than that of the run, one sentence each; a small training tells it too.

    Args:
        processes: how many will share the work here.
    """
    from kamerton.models.load import pick_device
    from kamerton.training.environment import capture_environment, class_differences, make_deterministic
    from kamerton.training.probe import probe

    options = Recipe.model_validate(recorded.recipe).training
    threads, device = recorded.environment.threads, pick_device(options.compute.device)
    make_deterministic(options.seed, threads)
    measured = probe(threads, options.compute.precision or "fp32", device).hash if recorded.environment.probe else ""
    return class_differences(recorded.environment, capture_environment(device, threads, measured, processes))


def shared_otherwise(run: RunFolder, begin: int, end: int, processes: int = 1) -> list[str]:
    """Why the steps from the state after one to the state after another may have other bits here.

    Args:
        processes: how many will share them here.
    """
    made = processes_of_steps(run.path)
    others = sorted({made[step] for step in range(begin + 1, end + 1) if made.get(step, processes) != processes})
    return [
        f"processes: {number} shared steps that {processes} would make here; sums in another order have other last bits"
        for number in others
    ]


def _train_again(recorded: RunRecord, run: RunFolder, workspace: Workspace, on_progress: Progress | None) -> RunFolder:
    recipe = Recipe.model_validate(recorded.recipe)
    silent = recipe.model_copy(update={"tracking": recipe.tracking.model_copy(update={"followers": []})})
    folder = RunFolder.create(workspace.home / "rebuilds", silent.model_dump(mode="json"), recorded.name)
    for event in read_events(run.path):
        if event["kind"] == "alarm":  # one that stopped the run was got over: it shall not stop the rebuild
            folder.event(**{name: value for name, value in event.items() if name != "time"})
    try:
        if recorded.environment.processes > 1:
            recorded.data.write(folder.path / LINEAGE)
            launch(folder, workspace, recorded.environment.processes, on_progress)
        else:
            parts = prepare_again(recorded.data, workspace)
            with folder.held():
                run_recipe(silent, parts, recorded.data, folder, workspace, on_progress, cached=False)
    except (Interrupted, KeyboardInterrupt) as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise Interrupted(
            "the rebuild was stopped; the run is as it was",
            where=recorded.run_id,
            mend=f"kamerton rebuild {recorded.run_id} begins again",
        ) from error
    except StorageError:  # of a full disk: what was made of the rebuild stands in the way of everything else
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def _compare(
    recorded: RunRecord,
    trace: list[TraceStep],
    again: RunFolder | None,
    changed: list[str],
    differences: list[str],
    seconds: float,
) -> RebuildRecord:
    rebuilt = RunRecord.read(again.record_file).result.model_sha256 if again else None
    parted = first_difference(trace, read_trace(again.path)) if again else None
    return RebuildRecord(
        run_id=recorded.run_id,
        recorded_sha256=recorded.result.model_sha256,
        rebuilt_sha256=rebuilt,
        identical=rebuilt == recorded.result.model_sha256 and parted is None,
        machine_class_equal=not differences,
        class_differences=differences,
        first_different_step=parted[0] if parted else None,
        different_fields=parted[1] if parted else [],
        what_changed=changed,
        seconds=round(seconds, 3),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
