"""What to change when a training does not fit, the least harmful first, with what each change would need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kamerton.recipe import Recipe
from kamerton.training.forecast.amount import Amount
from kamerton.training.forecast.estimate import largest_pass
from kamerton.training.forecast.memory import need_of
from kamerton.training.forecast.shapes import Shape

__all__ = ["advice"]

Change = dict[str, Any]

_NOTHING = 1.0 - 1e-6
"""Share of what was needed before: a change that leaves all of it is no advice."""


def advice(recipe: Recipe, shape: Shape, amount: Amount, room: int, likely: float, *, gpu: bool) -> list[str]:
    """A sentence for each change, together with those before it; it ends with the first that makes it fit.

    Args:
        room: bytes that there are.
        likely: the peak as it was forecast; the reckoned changes are scaled to it.
        gpu: memory of a GPU.
    """
    scale = likely / max(need_of(recipe, shape, largest_pass(recipe, amount, shape), gpu=gpu).peak, 1)

    def peak(tried: Recipe, processes: int = 1) -> float:
        length = min(amount.longest or tried.training.max_length, tried.training.max_length)
        tokens = max(length, min(tried.training.compute.pass_tokens, largest_pass(tried, amount, shape)))
        return scale * need_of(tried, shape, tokens, gpu=gpu, processes=processes).peak

    said = []
    changed, lowest = recipe, likely
    for text, changes in _changes(recipe, amount):
        tried = _with(changed, changes)
        needed = peak(tried)
        if needed > _NOTHING * lowest:
            continue
        changed, lowest = tried, needed
        fits = needed <= room
        said.append(f"{text}: about {needed / 2**20:,.0f} MiB" + (", which fits" if fits else ""))
        if fits:
            return said
    for processes in (2, 4, 8):
        needed = peak(changed, processes)
        if needed <= room:
            said.append(
                f"training.parallel.strategy=fsdp2 with --processes {processes} on as many machines or GPUs: about "
                f"{needed / 2**20:,.0f} MiB each, which fits"
            )
            return said
    return [*said, "even so it does not fit: take a smaller model"]


def _changes(recipe: Recipe, amount: Amount) -> Iterator[tuple[str, Change]]:
    options, method = recipe.training, recipe.method
    tokens = options.compute.pass_tokens
    least = max(256, 1 << max(amount.longest - 1, 1).bit_length())
    if tokens > least:
        yield f"training.compute.forward_tokens={least}", {"training.compute.forward_tokens": least}
    if not options.compute.gradient_checkpointing:
        key = "training.compute.gradient_checkpointing"
        yield f"{key}=true (slower by about a third)", {key: True}
    if options.compute.precision == "fp32" and method.kind != "full":
        yield "training.compute.precision=bf16", {"training.compute.precision": "bf16"}
    if method.kind in ("full", "freeze") and recipe.model.architecture is None:
        yield "method.kind=lora (other weights move)", {"method": {"kind": "lora"}}
    stored_whole = recipe.model.quantization in (None, "none") and method.kind != "qlora"
    if stored_whole and recipe.model.architecture is None:
        yield "model.quantization=nf4 (a base that is rounded)", {"model.quantization": "nf4"}
    length = max(options.max_length // 2, 8)
    if amount.longest == 0 or amount.longest > length:
        changes = {"training.max_length": length, "training.compute.forward_tokens": min(tokens, max(256, length))}
        yield f"training.max_length={length} (longer rows are cut)", changes


def _with(recipe: Recipe, changes: Change) -> Recipe:
    document = recipe.model_dump(mode="json")
    for key, value in changes.items():
        *path, name = key.split(".")
        section = document
        for part in path:
            section = section[part]
        section[name] = value
    return Recipe.model_validate(document)
