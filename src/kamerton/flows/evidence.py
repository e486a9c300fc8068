"""Evidence of a run: whether recipe, data, base, code, trace and model are still as the run left them."""

from __future__ import annotations

from kamerton.flows.models import ModelRef
from kamerton.flows.others import other_differences
from kamerton.flows.prepare import prepare_again
from kamerton.ground.digests import digest
from kamerton.ground.errors import KamertonError, StorageError
from kamerton.ground.functions import source_digest
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, TraceStep, read_trace
from kamerton.recipe import Recipe
from kamerton.records import RunRecord

__all__ = ["model_faults", "recorded_trace", "trace_and_faults", "what_changed"]


def what_changed(recorded: RunRecord, run: RunFolder, workspace: Workspace) -> list[str]:
    """Whatever of recipe, models, functions of the user's own and data is no longer what the run was made from."""
    changed = []
    if digest(recorded.recipe) != recorded.recipe_digest or run.recipe() != recorded.recipe:
        changed.append("recipe: the recorded recipe was changed after the run")
    asked = Recipe.model_validate(recorded.recipe)
    if asked.model.base is not None:
        changed += _base_differences(recorded, asked.model.base, workspace)
    changed += other_differences(recorded.base.others, asked, workspace)
    for name, source in recorded.code.functions.items():
        if source_digest(name) != source:
            changed.append(f"code: the source of {name} is not the one of the run")
    try:
        prepare_again(recorded.data, workspace)
    except KamertonError as error:
        changed.append(f"data: {error.what} ({error.where})" if error.where else f"data: {error.what}")
    return changed


def recorded_trace(run: RunFolder, recorded: RunRecord | None) -> list[TraceStep]:
    """The run's trace, held against its own chain of hashes and against the end that the record names.

    Raises:
        StorageError: it was changed.
    """
    trace = read_trace(run.path)
    if recorded is not None and [step.hash for step in trace[-1:]] != [recorded.result.trace_head]:
        raise StorageError(
            "the trace does not end with the line that the record names",
            where=str(run.trace_file),
            expected=f"a last line with the hash {recorded.result.trace_head[:16]}",
        )
    return trace


def trace_and_faults(run: RunFolder, recorded: RunRecord | None) -> tuple[list[TraceStep], list[str]]:
    """The run's trace, or no step of it and what is wrong with it, as a sentence."""
    try:
        return recorded_trace(run, recorded), []
    except StorageError as error:
        return [], [f"trace: {error.what}"]


def model_faults(run: RunFolder, recorded: RunRecord) -> list[str]:
    """Which files of the finished model are not as recorded, a sentence each."""
    return [f"model: {fault}" for fault in ModelRef(run.run_id, run.model, recorded, run).damage()]


def _base_differences(recorded: RunRecord, name: str, workspace: Workspace) -> list[str]:
    from kamerton.models.locate import locate

    try:
        files = locate(name, workspace.root)
    except KamertonError as error:
        return [f"base: {error.what} ({name})"]
    now = files.weights
    changed = sorted(
        part for part in now.keys() | recorded.base.weights if now.get(part) != recorded.base.weights.get(part)
    )
    sentences = [f"base: {name}/{part} has other bytes than at the time of the run" for part in changed]
    if files.tokenizer() != recorded.base.tokenizer:
        sentences.append(f"base: the tokenizer of {name} has other files than at the time of the run")
    return sentences
