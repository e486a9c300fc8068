"""A training before its first step: the same for a run, its resumption and its replay."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kamerton.flows.alarms import GENERAL, general_examples, general_rows
from kamerton.flows.models import find_model, open_model
from kamerton.flows.prepare import EARLIER, prepare_again, weights_again
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.recipe import Recipe
from kamerton.records import DataLineage

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.models.load import LoadedModel
    from kamerton.training.cache import TokenCache
    from kamerton.training.examples import ExampleSet
    from kamerton.training.loop import Loop
    from kamerton.training.objectives import Objective

__all__ = ["Progress", "Ready", "make_ready", "open_replay"]

Progress = Callable[[dict[str, Any]], None]
"""Called with each step (`loss`), each validation (`validation_loss`), and whatever else should be told (`notice`)."""


class Ready(NamedTuple):
    """What a loop needs."""

    loaded: LoadedModel
    """With the method applied."""
    objective: Objective
    examples: dict[str, ExampleSet]
    """`train`, `validation` and `general`, and `earlier` where `training.ewc` holds a task."""


def make_ready(
    recipe: Recipe,
    parts: dict[str, list[Row]],
    weights: Sequence[float] | None,
    workspace: Workspace,
    threads: int,
    cache: TokenCache | None = None,
) -> Ready:
    """Everything that is a function of recipe, base and data alone; the process is made deterministic first.

    Args:
        weights: how often an epoch shows each training row.
        cache: where tokenised examples are kept; without it rows are tokenised anew.
    """
    from kamerton.training.cache import TokenCache
    from kamerton.training.environment import make_deterministic
    from kamerton.training.examples import ExampleSet
    from kamerton.training.objectives import build_objective

    make_deterministic(recipe.training.seed, threads)
    loaded = _start_model(recipe, parts["train"], workspace)
    objective = build_objective(recipe.training, loaded, partial(_open_reference, workspace))
    tokenised = (cache or TokenCache(None)).examples
    examples = {
        "train": tokenised(objective.builder, parts["train"], weights),
        "validation": tokenised(objective.builder, parts["validation"]),
    }
    if parts.get(EARLIER):
        examples[EARLIER] = tokenised(objective.builder, parts[EARLIER])
    examples[GENERAL] = ExampleSet(general_examples(general_rows(recipe, workspace), loaded.format))
    return Ready(loaded, objective, examples)


@contextmanager
def open_replay(recipe: Recipe, lineage: DataLineage, workspace: Workspace, told: Progress) -> Iterator[Loop]:
    """The loop of a run that was, before its first step, in a scratch folder: nothing of the run is touched."""
    from kamerton.training.run import open_loop

    parts = prepare_again(lineage, workspace)
    weights = weights_again(lineage, workspace)
    ready = make_ready(recipe, parts, weights, workspace, recipe.training.compute.threads or 1)
    examples = {name: built.examples for name, built in ready.examples.items()}
    with tempfile.TemporaryDirectory(prefix="replay-", dir=workspace.home) as scratch:
        yield open_loop(ready.loaded, ready.objective, examples, recipe, RunFolder(Path(scratch)), told)


def _start_model(recipe: Recipe, rows: list[Row], workspace: Workspace) -> LoadedModel:
    """The base (or random weights) with the method applied."""
    from kamerton.models.load import load_base, pick_device
    from kamerton.models.methods import apply_method
    from kamerton.models.quantize import quantization_of
    from kamerton.models.scratch import create
    from kamerton.training.objectives import head_labels

    seed, device = recipe.training.seed, recipe.training.compute.device
    if recipe.model.architecture is not None:
        texts = (row.answer for row in rows)
        loaded = create(recipe.name, recipe.model.architecture, texts, seed=seed, device=pick_device(device))
    else:
        assert recipe.model.base is not None
        loaded = load_base(
            recipe.model.base,
            workspace.root,
            template=recipe.model.chat_template,
            device=device,
            quantization=quantization_of(recipe.model, recipe.method, recipe.training.compute.precision),
            labels=head_labels(recipe.training.objective, rows),
        )
    apply_method(loaded, recipe.method, seed=seed, root=workspace.root)
    return loaded


def _open_reference(workspace: Workspace, name: str) -> LoadedModel:
    """A MODEL that an objective compares with."""
    return open_model(find_model(name, workspace), workspace).loaded
