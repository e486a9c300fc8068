"""Train: from a recipe to a finished run with its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.flows.data_context import token_limit
from kamerton.flows.prepare import prepare, prepare_again, weights_again
from kamerton.ground.digests import digest
from kamerton.ground.errors import KamertonError, VerdictError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run
from kamerton.models.locate import locate
from kamerton.recipe import Recipe, ResolvedRecipe, read_recipe, resolve
from kamerton.records import BaseLineage, DataLineage, RunRecord
from kamerton.records.data import DataReport

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.models.load import LoadedModel
    from kamerton.training.examples import ExampleSet

__all__ = ["Progress", "load_recipe", "resume", "run_recipe", "train"]

LINEAGE = "data_lineage.json"
"""In the run folder before training begins: the versions that a resumption learns from."""

Progress = Callable[[dict[str, Any]], None]
"""Called with each step (`loss`), each validation (`validation_loss`), and whatever else should be told (`notice`)."""


def load_recipe(path: Path | str, overrides: list[str] | None = None) -> ResolvedRecipe:
    """Read, check and resolve a recipe for this machine."""
    from kamerton.training.cores import physical_cores

    return resolve(read_recipe(Path(path), overrides or []), physical_cores())


def train(
    recipe: ResolvedRecipe | Path | str,
    workspace: Workspace | None = None,
    *,
    overrides: list[str] | None = None,
    run_name: str | None = None,
    on_progress: Progress | None = None,
) -> RunRecord:
    """Train a recipe from the beginning.

    Args:
        run_name: beginning of the run id; None takes the recipe's name.

    Raises:
        RecipeError: the recipe is wrong, or there is no such base model; no run is made.
        VerdictError: the data check fails, or a loss or gradient became non-finite.
        Interrupted: stopped; the error says how to go on.
    """
    place = (workspace or Workspace.at()).ensure()
    asked = recipe if isinstance(recipe, ResolvedRecipe) else load_recipe(recipe, overrides)
    if asked.recipe.model.base is not None:
        locate(asked.recipe.model.base, place.root)
    prepared = prepare(asked.recipe, place, tokens=token_limit(asked.recipe, place))
    refuse_failed(prepared.report)
    run = RunFolder.create(place.runs, asked.recipe.model_dump(mode="json"), run_name or asked.recipe.name)
    prepared.report.write(run.path / "data_report.json")
    prepared.lineage.write(run.path / LINEAGE)
    return run_recipe(asked.recipe, prepared.parts, prepared.lineage, run, place, on_progress)


def resume(name: str, workspace: Workspace | None = None, *, on_progress: Progress | None = None) -> RunRecord:
    """Train on from the newest whole checkpoint of a run, as if nothing had happened.

    A run that is complete already gives its record.
    """
    place = (workspace or Workspace.at()).ensure()
    run = find_run(place, name)
    if run.record_file.exists():
        return RunRecord.read(run.record_file)
    recipe = Recipe.model_validate(run.recipe())
    lineage = DataLineage.read(run.path / LINEAGE)
    return run_recipe(recipe, prepare_again(lineage, place), lineage, run, place, on_progress)


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
) -> RunRecord:
    """Train what a resolved recipe asks for in a run folder, from its newest checkpoint if it has one."""
    # The heavy rooms are imported here, so that a recipe's errors come in a tenth of a second.
    from kamerton.models.load import pick_device
    from kamerton.tracking import LiveFollower
    from kamerton.training.environment import capture_code, capture_environment, make_deterministic
    from kamerton.training.examples import training_examples
    from kamerton.training.run import run_training

    options = recipe.training
    follower = LiveFollower(run, workspace) if recipe.tracking.followers else nullcontext()
    with run.held(), follower:
        with _failure_noted(run):
            device = pick_device(options.device)
            make_deterministic(options.seed, options.threads or 1)
            loaded = _start_model(recipe, parts["train"], workspace)
            examples = {
                "train": training_examples(options, parts["train"], loaded, weights_again(lineage, workspace)),
                "validation": training_examples(options, parts["validation"], loaded),
            }
            _note_cut(examples["train"], len(parts["train"]), recipe, run)
        base, code = _base_lineage(recipe, loaded), capture_code()
        result = run_training(
            loaded,
            {name: built.examples for name, built in examples.items()},
            recipe.method,
            options,
            run,
            on_progress,
        )
        document = recipe.model_dump(mode="json")
        record = RunRecord(
            run_id=run.run_id,
            name=recipe.name,
            recipe=document,
            recipe_digest=digest(document),
            data=lineage,
            base=base,
            code=code,
            environment=capture_environment(device, options.threads or 1),
            result=result,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        record.write(run.record_file)
        run.event("finished", model_sha256=result.model_sha256)
    if on_progress and isinstance(follower, LiveFollower) and follower.report.state == "behind":
        on_progress({"notice": f"MLflow is behind ({follower.report.reason}); kamerton sync {run.run_id} catches up"})
    return record


@contextmanager
def _failure_noted(run: RunFolder) -> Iterator[None]:
    """What keeps a run from its first step is in its journal too; from then on the training writes it."""
    try:
        yield
    except KamertonError as error:
        run.event("failed", reason=error.what)
        raise


def _start_model(recipe: Recipe, rows: list[Row], workspace: Workspace) -> LoadedModel:
    """The base (or random weights) with the method applied."""
    from kamerton.models.adapters import apply_method
    from kamerton.models.load import load_base, pick_device
    from kamerton.models.scratch import create

    seed, device = recipe.training.seed, recipe.training.device
    if recipe.model.architecture is not None:
        texts = (row.answer for row in rows)
        loaded = create(recipe.name, recipe.model.architecture, texts, seed=seed, device=pick_device(device))
    else:
        assert recipe.model.base is not None
        loaded = load_base(recipe.model.base, workspace.root, template=recipe.model.chat_template, device=device)
    apply_method(loaded, recipe.method, seed=seed)
    return loaded


def _note_cut(built: ExampleSet, rows: int, recipe: Recipe, run: RunFolder) -> None:
    """Say what was cut or masked away, and stop where it is more than the recipe allows."""
    run.event(
        "examples", sequences=len(built.examples), tokens=built.tokens, cut=len(built.cut), masked=len(built.masked)
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


def _base_lineage(recipe: Recipe, loaded: LoadedModel) -> BaseLineage:
    from kamerton.models.adapters import trainable_parameters

    files = loaded.files
    return BaseLineage(
        name=files.name if files else "random weights",
        revision=files.revision if files else "",
        weights=files.weights() if files else {},
        tokenizer=files.tokenizer() if files else "",
        template=loaded.format.digest,
        parameters=sum(weight.numel() for weight in loaded.model.parameters()),
        trainable=sum(weight.numel() for weight in trainable_parameters(loaded.model).values()),
    )
