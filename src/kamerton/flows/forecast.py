"""Forecast: what a training will need here, or on a named GPU, and what to change where that is too much."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kamerton.data import Row
from kamerton.data.statistics import TokenLimit
from kamerton.flows.prepare import Prepared
from kamerton.ground.errors import RecipeError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe

if TYPE_CHECKING:
    from kamerton.training.forecast.estimate import Forecast
    from kamerton.training.forecast.gpus import Gpu
    from kamerton.training.forecast.shapes import Shape

__all__ = ["Foreseen", "foresee"]

_SECONDS = 5.0
"""No further step is measured after as many."""

_PYTHON = 0.5
"""Seconds from the command to the first line of a flow."""

_END = 1.5
"""Seconds after the last step: digests of all files, the record, the state of the code."""


@dataclass(frozen=True)
class Foreseen:
    """A forecast beside what there is."""

    forecast: Forecast
    room: int
    """Bytes of memory that there are."""
    context: int
    """Longest sequence, in tokens, that the model is declared for."""
    advice: list[str]
    """What to change where it does not fit, the least harmful first."""


def foresee(
    recipe: Recipe,
    prepared: Prepared | None,
    tokens: TokenLimit | None,
    workspace: Workspace,
    *,
    gpu: Gpu | None = None,
    quick: bool = False,
    began: float | None = None,
) -> Foreseen:
    """Measure a few steps on a throw-away copy, or reckon by shapes what cannot or shall not be measured.

    Shapes alone decide for another machine, with `quick`, without rows, and for what is surely too large for this one.

    Args:
        tokens: counts tokens where rows are not rendered; None takes letters.
        gpu: another machine.
        began: `time.monotonic` at the beginning of the command.

    Raises:
        RecipeError: there is no such model or GPU, or the model is of a kind whose shape is not known.
        VerdictError: a measured step gave a loss that is not finite.
    """
    from kamerton.training.forecast.advice import advice
    from kamerton.training.forecast.memory import PROCESS
    from kamerton.training.machine import machine_shape

    shape = machine_shape(recipe, workspace.root)
    on_gpu, room = _room(recipe, gpu)
    rows: Mapping[str, Sequence[Row]] = prepared.parts if prepared else {}
    weights = prepared.weights if prepared else None
    found: Forecast | None = None
    context = shape.context if shape else 0
    if gpu is None and not quick and rows and (shape is None or not _surely_too_large(recipe, shape, room, on_gpu)):
        found, context = _measured(recipe, rows, weights, workspace, shape, began)
    if found is None:
        found = _by_shapes(recipe, rows, weights, tokens, shape, gpu, on_gpu=on_gpu)
    if prepared and prepared.peak and not on_gpu:
        found = replace(found, memory=found.memory.at_least(PROCESS + prepared.peak))
    changes: list[str] = []
    if shape is not None and found.memory.likely > room:
        changes = advice(recipe, shape, found.amount, room, found.memory.likely, gpu=on_gpu)
    return Foreseen(found, room, context, changes)


def _room(recipe: Recipe, gpu: Gpu | None) -> tuple[bool, int]:
    """Whether training runs on a GPU, and the bytes that it may use of it, or of this machine's memory."""
    if gpu is not None:
        return True, gpu.bytes
    from kamerton.training.machine import free_memory

    if recipe.training.compute.device != "cpu":
        import torch

        from kamerton.models.load import pick_device

        if pick_device(recipe.training.compute.device).type == "cuda":
            return True, int(torch.cuda.mem_get_info()[0])
    import psutil

    return False, free_memory() + int(psutil.Process().memory_info().rss)


def _surely_too_large(recipe: Recipe, shape: Shape, room: int, on_gpu: bool) -> bool:
    """Whether weights, gradients and optimiser alone are more than there is: not to be tried."""
    from kamerton.training.forecast.memory import need_of

    need = need_of(recipe, shape, 1, gpu=on_gpu)
    return need.peak > room


def _measured(
    recipe: Recipe,
    rows: Mapping[str, Sequence[Row]],
    weights: Sequence[float] | None,
    workspace: Workspace,
    shape: Shape | None,
    began: float | None,
) -> tuple[Forecast | None, int]:
    """A forecast by measured steps, and the model's context; no forecast where a GPU's memory did not suffice."""
    import torch

    from kamerton.flows.ready import make_ready
    from kamerton.models.methods import trainable_parameters
    from kamerton.training.cache import TokenCache
    from kamerton.training.forecast.amount import counted
    from kamerton.training.forecast.estimate import Size, by_measuring
    from kamerton.training.forecast.steps import Timed, measure_steps
    from kamerton.training.probe import probe

    start = time.monotonic() if began is None else began
    cache = TokenCache(workspace.tokens, writes=False)
    threads = recipe.training.compute.threads or 1
    parts = {name: list(part) for name, part in rows.items()}
    ready = make_ready(recipe, parts, weights, workspace, threads, cache)
    amount = counted(recipe, len(parts["train"]), ready.examples["train"], ready.examples["validation"])
    loaded = ready.loaded
    context, parameters = loaded.context, sum(weight.numel() for weight in loaded.model.parameters())
    trainable = sum(weight.numel() for weight in trainable_parameters(loaded.model).values())
    places = loaded.files.folder.glob("*token*") if loaded.files else ()
    tokenizer = sum(path.stat().st_size for path in places)
    examples = {name: built.examples for name, built in ready.examples.items()}
    seconds, processor = time.monotonic() - start + _PYTHON + _END, time.process_time() + _END
    try:
        measured = measure_steps(loaded, ready.objective, examples, recipe, _SECONDS)
    except torch.OutOfMemoryError:
        return None, context
    judged = time.monotonic(), time.process_time()
    probe(threads, recipe.training.compute.precision or "fp32", loaded.device)  # as a run does at its end
    until = Timed(1.0, seconds + time.monotonic() - judged[0], processor + time.process_time() - judged[1])
    found = by_measuring(recipe, amount, measured, shape, size=Size(parameters, trainable, tokenizer), start=until)
    return found, context


def _by_shapes(
    recipe: Recipe,
    rows: Mapping[str, Sequence[Row]],
    weights: Sequence[float] | None,
    tokens: TokenLimit | None,
    shape: Shape | None,
    gpu: Gpu | None,
    *,
    on_gpu: bool,
) -> Forecast:
    from kamerton.training.forecast.amount import reckoned
    from kamerton.training.forecast.estimate import by_shapes

    if shape is None:
        raise RecipeError(
            "the model's config.json is not here, or tells a shape that is not known",
            where=f"model.base: {recipe.model.base}",
            mend="kamerton check RECIPE without --quick and --machine measures the model itself",
        )
    limit = min(recipe.training.max_length, shape.context)
    amount = reckoned(recipe, rows, weights, tokens.count if tokens else None, limit)
    return by_shapes(recipe, shape, amount, gpu, here_gpu=on_gpu)
