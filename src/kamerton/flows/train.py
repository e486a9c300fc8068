"""Train: from a recipe to a finished run with its record."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.flows.attempts import attempts_unlike, refuse_other_recipe, tell_attempt
from kamerton.flows.evidence import model_faults
from kamerton.flows.foreign_template import settle_template
from kamerton.flows.launch import launch, refuse_in_group
from kamerton.flows.origin import find_origin
from kamerton.flows.others import other_models
from kamerton.flows.prepare import Prepared, prepare_again, weights_again
from kamerton.flows.preparing import Preparer
from kamerton.flows.ready import Progress, make_ready
from kamerton.ground.digests import digest
from kamerton.ground.errors import KamertonError, StorageError, VerdictError
from kamerton.ground.files import write_text
from kamerton.ground.need import without_collector
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run
from kamerton.models.locate import locate
from kamerton.recipe import Derived, Recipe, RecipeSource, ResolvedRecipe, Translation, read_recipe, resolve
from kamerton.recipe.objective import own_functions
from kamerton.records import BaseLineage, CodeLineage, DataLineage, Environment, RunRecord
from kamerton.records.data import DataReport

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.models.load import LoadedModel
    from kamerton.training.examples import ExampleSet

__all__ = ["Progress", "load_recipe", "resolve_in", "resume", "run_recipe", "train", "train_with"]

LINEAGE = "data_lineage.json"
"""In the run folder before training begins: the versions that a resumption learns from."""


def load_recipe(
    path: Path | str,
    overrides: list[str] | None = None,
    *,
    workspace: Workspace | None = None,
    processes: int | None = None,
    machine: str | None = None,
) -> ResolvedRecipe:
    """Read, check and resolve a recipe for this machine.

    Args:
        workspace: where `model.base` may name a model that was trained before.
        processes: how many share the run; a LLaMA-Factory file counts its batch a process.
        machine: the name of a GPU, to resolve the recipe for that one.

    Raises:
        RecipeError: the recipe is wrong.
        RequestError: no such machine, or its DeepSpeed file cannot be read or done.
    """
    from kamerton.flows.foreign_length import settle_length
    from kamerton.training.deepspeed import read_deepspeed
    from kamerton.training.forecast.gpus import find_gpu
    from kamerton.training.machine import machine_choices

    gpu = find_gpu(machine) if machine else None
    place = workspace or Workspace.at()
    source = settle_template(read_recipe(Path(path), overrides or [], processes=processes), place)
    source = settle_length(source, place)
    if source.recipe.training.parallel.deepspeed is not None:
        read_deepspeed(source.recipe.training.parallel.deepspeed)
    return resolve_in(place, source, machine_choices(source.recipe, place.root, gpu))


def resolve_in(workspace: Workspace, source: RecipeSource, machine: Mapping[str, Derived]) -> ResolvedRecipe:
    """Decide what a recipe leaves open, and where the model that it begins with lies in a workspace.

    Args:
        machine: what the machine decides, as for `resolve`.
    """
    origin = find_origin(source.recipe, workspace)
    if origin is None:
        return resolve(source, machine)
    rate = {} if origin.rate is None else {"training.learning_rate": origin.rate}
    return origin.told(resolve(origin.begin(source), {**machine, **rate}))


def train(
    recipe: ResolvedRecipe | Path | str,
    workspace: Workspace | None = None,
    *,
    overrides: list[str] | None = None,
    run_name: str | None = None,
    processes: int = 1,
    on_progress: Progress | None = None,
) -> RunRecord:
    """Train a recipe from the beginning.

    Args:
        run_name: beginning of the run id; None takes the recipe's name.
        processes: how many share the run on this machine; more than one are started by torchrun.

    Raises:
        RecipeError: the recipe is wrong, or there is no such base model; no run is made.
        VerdictError: the data check fails, or a loss or gradient became non-finite.
        Interrupted: stopped; the error says how to go on.
    """
    with Preparer() as preparer:
        return train_with(
            preparer,
            recipe,
            workspace,
            overrides=overrides,
            run_name=run_name,
            processes=processes,
            on_progress=on_progress,
        )


def train_with(
    preparer: Preparer,
    recipe: ResolvedRecipe | Path | str,
    workspace: Workspace | None = None,
    *,
    overrides: list[str] | None = None,
    run_name: str | None = None,
    processes: int = 1,
    on_progress: Progress | None = None,
) -> RunRecord:
    """`train` with a process that was begun before, to lose no time; it is used up."""
    refuse_in_group()
    place = (workspace or Workspace.at()).ensure()
    asked = (
        recipe
        if isinstance(recipe, ResolvedRecipe)
        else load_recipe(recipe, overrides, workspace=place, processes=processes)
    )
    if asked.recipe.model.base is not None:
        locate(asked.recipe.model.base, place.root)
    prepared = _prepare_passed(asked.recipe, place, preparer, alone=processes == 1)
    run = RunFolder.create(place.runs, asked.recipe.model_dump(mode="json"), run_name or asked.recipe.name)
    if asked.translation is not None:
        _note_translation(asked.translation, run, on_progress)
    _note_data(prepared, run)
    if processes > 1:
        return launch(run, place, processes, on_progress)
    with _held(run):
        return run_recipe(asked.recipe, prepared.parts, prepared.lineage, run, place, on_progress)


def resume(
    name: str, workspace: Workspace | None = None, *, processes: int = 1, on_progress: Progress | None = None
) -> RunRecord:
    """Train on from the newest whole checkpoint of a run, as if nothing had happened.

    A run that is complete already gives its record.

    Args:
        processes: how many share the run from here; another number than before gives other last bits.

    Raises:
        StorageError: the run is complete, and its model was changed or removed; or its recipe was changed since it
            began.
    """
    place = (workspace or Workspace.at()).ensure()
    run = find_run(place, name)
    if run.record_file.exists():
        return _complete(run)
    refuse_other_recipe(run)
    recipe = Recipe.model_validate(run.recipe())
    with _held(run) if processes == 1 else nullcontext():
        if not (run.path / LINEAGE).exists() and not run.checkpoints.exists():
            # It was killed before it knew what it learns from; one that has learned already must not learn from others.
            with Preparer() as preparer:
                _note_data(_prepare_passed(recipe, place, preparer, alone=processes == 1), run)
        if processes > 1:
            return launch(run, place, processes, on_progress)
        lineage = DataLineage.read(run.path / LINEAGE)
        return run_recipe(recipe, prepare_again(lineage, place), lineage, run, place, on_progress)


def _held(run: RunFolder) -> AbstractContextManager[None]:
    """The run, held from the first moment; of the processes that torchrun started the first one holds it."""
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    return run.held() if alone or os.environ.get("RANK") == "0" else nullcontext()


def _complete(run: RunFolder) -> RunRecord:
    recorded = RunRecord.read(run.record_file)
    lost = model_faults(run, recorded)
    if lost:
        raise StorageError(
            f"the run is complete, but {lost[0].removeprefix('model: ')}",
            where=run.run_id,
            mend=f"kamerton rebuild {run.run_id} --restore",
        )
    return recorded


def _note_translation(translation: Translation, run: RunFolder, on_progress: Progress | None) -> None:
    """A LLaMA-Factory file stands in the run as it was given, beside the recipe that it became."""
    write_text(run.path / "llamafactory.yaml", translation.text)
    run.event("translated", **translation.event())
    for notice in translation.notices:
        if on_progress:
            on_progress({"notice": notice})


def _prepare_passed(recipe: Recipe, workspace: Workspace, preparer: Preparer, *, alone: bool) -> Prepared:
    """What a run learns from, checked.

    Args:
        alone: this process will train.
    """
    with preparer:
        prepared = preparer.ask(recipe, workspace)
        if alone:
            _import_training()
        ready = prepared()
    refuse_failed(ready.report)
    return ready


def _import_training() -> None:
    """Import the heavy rooms: here, and not above, so that a recipe's errors come in a tenth of a second."""
    with without_collector():
        importlib.import_module("kamerton.training.run")


def _note_data(prepared: Prepared, run: RunFolder) -> None:
    prepared.report.write(run.path / "data_report.json")
    prepared.lineage.write(run.path / LINEAGE)
    run.event("languages", **prepared.languages)


def refuse_failed(report: DataReport) -> None:
    """Stop before training when the data check fails."""
    if not report.passed:
        raise VerdictError(
            "the data check failed: " + "; ".join(report.reasons),
            expected="data within the thresholds of data.check",
            mend="kamerton check RECIPE shows the findings; mend the rows or change data.check",
        )


def run_recipe(
    recipe: Recipe,
    parts: dict[str, list[Row]],
    lineage: DataLineage,
    run: RunFolder,
    workspace: Workspace,
    on_progress: Progress | None,
    *,
    cached: bool = True,
) -> RunRecord:
    """Train what a resolved recipe asks for in a run folder, from its newest checkpoint if it has one.

    Args:
        run: held by this process, or by the first of those that share it.
        cached: tokens may be those that an earlier run kept; a proof makes its own.
    """
    # The heavy rooms are imported here, so that a recipe's errors come in a tenth of a second.
    from kamerton.models.load import pick_device
    from kamerton.tracking import LiveFollower, unavailable
    from kamerton.training.cache import TokenCache
    from kamerton.training.environment import capture_code, capture_environment
    from kamerton.training.parallel import Processes
    from kamerton.training.probe import probe
    from kamerton.training.run import run_training

    options = recipe.training
    with _failure_noted(run):
        device = pick_device(options.compute.device)
        group = Processes.join(options.parallel, device)
    threads = group.threads(options.compute.threads or 1)
    for sentence in unavailable(recipe.tracking.followers) if group.main and on_progress else ():
        on_progress({"notice": sentence})  # type: ignore[misc]
    follower = LiveFollower(run, workspace) if recipe.tracking.followers and group.main else nullcontext()
    with follower, group:
        with _failure_noted(run):
            weights, cache = weights_again(lineage, workspace), TokenCache(workspace.tokens if cached else None)
            loaded, objective, examples = make_ready(recipe, parts, weights, workspace, threads, cache)
            _note_cut(examples["train"], len(parts["train"]), recipe, run)
            for note in [*recipe.warnings, *examples["train"].notes, *cache.notes]:
                run.event("noted", text=note)
                if on_progress:
                    on_progress({"notice": note})
            base = _base_lineage(recipe, loaded, other_models(recipe, workspace))
            code = capture_code(own_functions(recipe.training.objective))
            environment = capture_environment(device, threads, processes=group.world)
            unlike = _tell_attempt(run, code, environment, on_progress) if group.main else []
        learned = {name: built.examples for name, built in examples.items()}
        result = run_training(loaded, objective, learned, recipe, run, on_progress, processes=group)
        # At the end, where it holds up no first step; the class of a machine does not change in between.
        measured = probe(threads, options.compute.precision or "fp32", device)
        document = recipe.model_dump(mode="json")
        record = RunRecord(
            run_id=run.run_id,
            name=recipe.name,
            recipe=document,
            recipe_digest=digest(document),
            data=lineage,
            base=base,
            code=code,
            environment=environment.model_copy(update={"probe": measured.hash}),
            result=result,
            attempts_unlike=unlike,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if group.main:
            record.write(run.record_file)
            run.event("finished", model_sha256=result.model_sha256)
    if on_progress and isinstance(follower, LiveFollower) and follower.report.state == "behind":
        on_progress(
            {"notice": f"a tracker is behind ({follower.report.reason}); kamerton sync {run.run_id} catches up"}
        )
    return record


def _tell_attempt(
    run: RunFolder, code: CodeLineage, environment: Environment, on_progress: Progress | None
) -> list[str]:
    """Tell what this attempt runs with; returns how the ones before it differ."""
    tell_attempt(run, code, environment)
    unlike = attempts_unlike(run)
    if unlike and on_progress:
        told = "; ".join(unlike[:3]) + (f"; and {len(unlike) - 3} more" if len(unlike) > 3 else "")
        on_progress({"notice": f"the run goes on otherwise than it began, and may not come out the same again: {told}"})
    return unlike


@contextmanager
def _failure_noted(run: RunFolder) -> Iterator[None]:
    """What keeps a run from its first step is in its journal too; from then on the training writes it."""
    try:
        yield
    except KamertonError as error:
        run.event("failed", reason=error.what)
        raise


def _note_cut(built: ExampleSet, rows: int, recipe: Recipe, run: RunFolder) -> None:
    """Say what was cut or masked away, and stop where it is more than the recipe allows."""
    run.event(
        "examples",
        sequences=len(built.examples),
        tokens=built.tokens,
        cut=len(built.cut),
        masked=len(built.masked),
    )
    share, allowed = (len(built.cut) + len(built.masked)) / rows, recipe.data.check.max_truncated
    if share > allowed:
        raise VerdictError(
            f"{len(built.cut)} of {rows} training rows are longer than {recipe.training.max_length} tokens and "
            f"{len(built.masked)} more have nothing left to learn from ({share:.1%})",
            where=run.run_id,
            expected=f"at most {allowed:.1%} (data.check.max_truncated)",
            mend="raise training.max_length, or data.check.max_truncated",
        )


def _base_lineage(recipe: Recipe, loaded: LoadedModel, others: dict[str, str]) -> BaseLineage:
    from kamerton.models.methods import trainable_parameters

    files = loaded.files
    return BaseLineage(
        name=files.name if files else "random weights",
        revision=files.revision if files else "",
        weights=files.weights if files else {},
        tokenizer=files.tokenizer() if files else "",
        template=loaded.format.digest,
        parameters=sum(weight.numel() for weight in loaded.model.parameters()),
        trainable=sum(weight.numel() for weight in trainable_parameters(loaded.model).values()),
        others=others,
    )
