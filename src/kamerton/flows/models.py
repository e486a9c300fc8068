"""A MODEL as users name it: a path, a run id, `name@alias`, `name@N`, a packaged base or a hub id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.ground.digests import file_digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run, list_runs
from kamerton.recipe import Recipe
from kamerton.records import RunRecord

if TYPE_CHECKING:
    from kamerton.data.augment import Rewriter
    from kamerton.evaluation import Generator, Judge
    from kamerton.models.generate import TransformersGenerator
    from kamerton.models.load import LoadedModel
    from kamerton.registry import Registry

__all__ = ["ModelRef", "find_model", "open_measured", "open_model", "open_registry", "open_rewriter"]


@dataclass(frozen=True)
class ModelRef:
    """A model that was found, not yet loaded."""

    name: str
    folder: Path | None = None
    """The finished model's folder; None for a base model."""
    record: RunRecord | None = None
    run: RunFolder | None = None
    """The run folder, where it is still there."""

    @property
    def recipe(self) -> Recipe | None:
        """The recipe that the model was trained with."""
        return Recipe.model_validate(self.record.recipe) if self.record else None

    def damage(self) -> list[str]:
        """Which files of the model are not as its record says, a sentence each; empty when all are."""
        if self.folder is None or self.record is None:
            return []
        files = {self.folder / name: sha for name, sha in self.record.result.files.items()}
        return [
            f"{path.parent.name}/{path.name} was changed or removed after the run"
            for path, sha in files.items()
            if not path.is_file() or file_digest(path) != sha
        ]

    def needs_run(self) -> tuple[RunFolder, RunRecord]:
        """The run folder and its record.

        Raises:
            RequestError: the model did not come from a run of this workspace.
        """
        if self.run is None or self.record is None:
            raise RequestError(
                "this needs a model that was trained in this workspace",
                where=self.name,
                expected="a run id, its beginning, last, or a registered model whose run folder is here",
                mend="kamerton runs",
            )
        return self.run, self.record


def find_model(name: str, workspace: Workspace) -> ModelRef:
    """Find what a MODEL names.

    Raises:
        RequestError: nothing has this name, or a run of this name is not complete.
    """
    from kamerton.models.locate import PACKAGED

    path = Path(name).expanduser().resolve()
    for run in (RunFolder(path), RunFolder(path.parent)):
        # A packaged base has a record beside its weights, but it is no run folder: that one begins with its recipe.
        if name and path in {run.path, run.model} and (run.path / "recipe.json").exists():
            return _finished(run)
    if name in PACKAGED:
        return ModelRef(name)
    if (path / "kamerton.json").exists():
        return ModelRef(name, path)
    if name and path.is_dir():
        return ModelRef(name)
    known = [run.run_id for run in list_runs(workspace)]
    if name == "last" or any(run_id.startswith(name) for run_id in known):
        return _finished(_last_complete(workspace) if name == "last" else find_run(workspace, name))
    if "@" in name and "/" not in name:
        return _registered(name, workspace)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return ModelRef(name)
    raise RequestError(
        "no such model",
        where=name,
        expected="a path, a run id, last, NAME@ALIAS, NAME@NUMBER, a packaged base or a hub id owner/name",
        mend="kamerton runs and kamerton registry list show what there is",
    )


def open_model(
    ref: ModelRef,
    workspace: Workspace,
    *,
    name: str | None = None,
    template: str = "tokenizer",
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> TransformersGenerator:
    """Load a language model for generating and scoring.

    Args:
        name: what records call it; None takes the reference's own.
        template: `model.chat_template`, for a base model; a finished model knows its own.

    Raises:
        RequestError: the model has a head in place of its vocabulary.
        StorageError: a file of a finished model is not the one that its run made.
        MachineError: settings of this process under which equal questions can have unequal answers.
    """
    from kamerton.models.generate import TransformersGenerator

    loaded = _loaded(ref, workspace, name, template)
    if loaded.labels:
        raise RequestError(
            f"the model has a head for {', '.join(loaded.labels[:5])} and writes no answers",
            where=loaded.name,
            expected="a language model",
            mend=f"kamerton evaluate {ref.name} measures it",
        )
    return TransformersGenerator(loaded, batch_size=batch_size, on_progress=on_progress)


def open_measured(
    ref: ModelRef, workspace: Workspace, *, name: str | None = None, template: str = "tokenizer", batch_size: int = 16
) -> Generator | Judge:
    """Load a model for measuring it: one that writes, one that classifies, or one that scores; see `open_model`."""
    from kamerton.models.generate import TransformersGenerator
    from kamerton.models.heads import Classifier, RewardModel, has_reward_head

    loaded = _loaded(ref, workspace, name, template)
    if has_reward_head(loaded):
        return RewardModel(loaded, batch_size=batch_size)
    if loaded.labels:
        return Classifier(loaded, batch_size=batch_size)
    return TransformersGenerator(loaded, batch_size=batch_size)


def _loaded(ref: ModelRef, workspace: Workspace, name: str | None, template: str) -> LoadedModel:
    import torch

    from kamerton.models.load import load_base
    from kamerton.models.methods import load_finished
    from kamerton.training.contract import refuse_luck

    refuse_luck(torch.get_num_threads())
    if ref.folder is None:
        loaded = load_base(ref.name, workspace.root, template=template)
    else:
        if damage := ref.damage():
            raise StorageError(damage[0], where=ref.name, mend=f"kamerton rebuild {ref.name} --restore")
        loaded = load_finished(ref.folder, workspace.root)
    loaded.name = name or ref.name
    return loaded


def open_rewriter(model: str, workspace: Workspace) -> Rewriter:
    """What answers the prompts of an augmentation: a MODEL in this process, or `URL#model` behind an endpoint.

    Raises:
        RequestError: nothing has this name.
    """
    from kamerton.models.endpoint import Endpoint, is_endpoint

    if is_endpoint(model):
        return Endpoint(model).answers
    generator = open_model(find_model(model, workspace), workspace)
    return lambda prompts, limit: [answer.text for answer in generator.generate(prompts, limit)]


def open_registry(workspace: Workspace) -> Registry:
    """The registry over the workspace's tracking store."""
    from kamerton.registry import Registry
    from kamerton.tracking import connect

    return Registry(workspace.ensure(), connect(workspace))


def _finished(run: RunFolder) -> ModelRef:
    if not run.record_file.exists():
        raise RequestError(
            f"the run is {run.state}, not complete",
            where=run.run_id,
            mend=f"kamerton train --resume {run.run_id}",
        )
    return ModelRef(run.run_id, run.model, RunRecord.read(run.record_file), run)


def _last_complete(workspace: Workspace) -> RunFolder:
    complete = [run for run in list_runs(workspace) if run.record_file.exists()]
    if not complete:
        raise RequestError("there is no complete run yet", where=str(workspace.runs), mend="kamerton train RECIPE")
    return complete[-1]


def _registered(name: str, workspace: Workspace) -> ModelRef:
    version = open_registry(workspace).resolve(name)
    record = RunRecord.read(version.evidence.path("record.json"))
    run = RunFolder(workspace.runs / version.run_id)
    return ModelRef(name, version.source, record, run if run.record_file.exists() else None)
