"""From a recipe and its rows to what the training will need: by shapes alone, or with a few measured steps."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kamerton.recipe import Recipe
from kamerton.training.forecast.amount import Amount
from kamerton.training.forecast.gpus import Gpu
from kamerton.training.forecast.memory import Need, Range, layout_tokens, need_of, sequences_of
from kamerton.training.forecast.roofline import gpu_seconds
from kamerton.training.forecast.shapes import Shape, moving_weights
from kamerton.training.forecast.steps import Measured, Timed

__all__ = ["Forecast", "Size", "by_measuring", "by_shapes"]

_BY_SHAPES = (0.75, 1.35)
"""Interval of memory reckoned from shapes, as shares of it; see docs/forecast.md for the errors measured."""

_LATER = (0.97, 1.12)
"""Interval of memory around the measured peak: a run goes on, and its allocator's holes grow for a while."""

_LEAST = 0.15
"""Half of the narrowest interval of time, as a share: another hour of the same machine is not the same."""


class Size(NamedTuple):
    """What was counted in a model with its method applied."""

    parameters: int
    trainable: int
    tokenizer: int = 0
    """Bytes of its files; 0 where there are none yet."""


@dataclass(frozen=True)
class Forecast:
    """What a training will need; ranges are low, likely and high."""

    amount: Amount
    parameters: int
    trainable: int
    memory: Range
    """Bytes at the peak."""
    disk: Range
    """Bytes that the run leaves, its cache of tokens included."""
    need: Need
    """What the shapes say of memory, part by part."""
    seconds: Range | None = None
    """The whole command; None where nothing was measured and the machine is in no table."""
    processor_seconds: float | None = None
    """Of processor time, over all threads; what others on a busy machine do changes it little."""
    machine: str = "this machine"
    measured_steps: int = 0
    measured_seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """As JSON."""
        amount = self.amount
        return {
            "machine": self.machine,
            "measured_steps": self.measured_steps,
            "measured_seconds": round(self.measured_seconds, 1),
            "parameters": self.parameters,
            "trainable": self.trainable,
            "sequences": amount.sequences,
            "tokens_per_epoch": amount.tokens,
            "trained_tokens_per_epoch": amount.trained,
            "longest": amount.longest,
            "steps": amount.steps,
            "cut_share": amount.cut_share,
            "peak_bytes": int(self.memory.likely),
            "peak_interval": [int(self.memory.low), int(self.memory.high)],
            "need_bytes": self.need.document(),
            "seconds": self.seconds and round(self.seconds.likely, 1),
            "seconds_interval": self.seconds and [round(self.seconds.low, 1), round(self.seconds.high, 1)],
            "processor_seconds": self.processor_seconds and round(self.processor_seconds, 1),
            "disk_bytes": int(self.disk.likely),
            "disk_interval": [int(self.disk.low), int(self.disk.high)],
        }


def by_shapes(
    recipe: Recipe, shape: Shape, amount: Amount, gpu: Gpu | None = None, *, here_gpu: bool = False
) -> Forecast:
    """Memory and disk from the model's shape; time where the machine is in the table.

    Args:
        gpu: a machine of the table; None is this one.
        here_gpu: this machine trains on a GPU.
    """
    moving = moving_weights(shape, recipe.method)
    tokens = largest_pass(recipe, amount, shape)
    need = need_of(recipe, shape, tokens, gpu=gpu is not None or here_gpu)
    low, high = _BY_SHAPES
    return Forecast(
        amount=amount,
        parameters=shape.parameters,
        trainable=moving,
        memory=Range(low * need.peak, need.peak, high * need.peak),
        disk=_disk(recipe, amount, moving, _TOKENIZER),
        need=need,
        seconds=gpu_seconds(recipe, shape, amount, gpu, moving) if gpu else None,
        machine=gpu.name if gpu else "this machine",
    )


def by_measuring(
    recipe: Recipe,
    amount: Amount,
    measured: Measured,
    shape: Shape | None,
    *,
    size: Size,
    start: Timed,
) -> Forecast:
    """The same with what a few steps came to on this machine.

    Args:
        shape: of the model, where it is of a known kind.
        size: of the loaded model.
        start: from the command to the loop: imports, data, model, tokens.
    """
    need = Need(measured.peak, 0, 0, 0, 0, 0)
    peak = float(measured.peak)
    if shape is not None:
        need = need_of(recipe, shape, largest_pass(recipe, amount, shape), gpu=False, moving=size.trainable)
        if not measured.heavy:
            peak = max(peak, float(need.peak))
        if measured.save is None:
            peak = max(peak, peak - need.activations - need.head + need.saving)
    low, high = _LATER if measured.heavy else _BY_SHAPES
    seconds, processor = _seconds(recipe, amount, measured, start, size.trainable)
    return Forecast(
        amount=amount,
        parameters=size.parameters,
        trainable=size.trainable,
        memory=Range(low * peak, peak, high * peak),
        disk=_disk(recipe, amount, size.trainable, size.tokenizer or _TOKENIZER),
        need=need,
        seconds=seconds,
        processor_seconds=processor,
        measured_steps=len(measured.steps),
        measured_seconds=measured.seconds,
    )


def largest_pass(recipe: Recipe, amount: Amount, shape: Shape) -> int:
    """Tokens of the largest forward pass, known from the data or else from the recipe."""
    options = recipe.training
    if not amount.longest:
        longest = min(options.max_length, shape.context)
        return layout_tokens(options, longest, sequences_of(options.objective.kind))
    group = getattr(options.objective, "group", 1) * getattr(options.objective, "max_new_tokens", 0)
    step = amount.tokens / max(amount.sequences, 1) * int(options.batch_size) + group * int(options.batch_size)
    return max(amount.longest, min(options.compute.pass_tokens, math.ceil(1.5 * step)))


def _seconds(recipe: Recipe, amount: Amount, measured: Measured, start: Timed, moving: int) -> tuple[Range, float]:
    """Seconds and processor seconds of start, reference, steps, validations and checkpoints.

    The interval is that of the measured rates of steps: two standard errors of their mean, and never a narrow one.
    """
    drawn = recipe.training.objective.kind == "grpo"
    work = amount.steps * int(recipe.training.batch_size) if drawn else amount.seen
    judged = amount.validations * (float(amount.judged_sequences if drawn else amount.judged) + measured.general)
    state = 12.0 * moving

    def whole(seconds: Callable[[Timed], float]) -> tuple[float, float]:
        """Of the steps, and of all else."""
        rate = sum(map(seconds, measured.steps)) / sum(step.work for step in measured.steps)
        rest = seconds(start) + (seconds(measured.watch) if measured.watch else 0.0)
        rest += judged * (seconds(measured.validation) / measured.validation.work if measured.validation else rate / 3)
        saved = seconds(measured.save) / measured.save.work if measured.save else 1 / 2e8
        rest += (amount.checkpoints + 1) * state * saved
        if recipe.training.objective.kind in ("dpo", "kto") and measured.reference:
            rest += seconds(measured.reference) / measured.reference.work * (amount.tokens + amount.judged)
        return rate * work, rest

    steps, rest = whole(lambda timed: timed.seconds)
    rates = [step.seconds / step.work for step in measured.steps]
    mean = statistics.fmean(rates)
    spread = statistics.stdev(rates) / mean / math.sqrt(len(rates)) if len(rates) > 1 else 0.5
    share = min(max(_LEAST, 2 * spread), 0.9)
    found = Range(steps * (1 - share) + 0.7 * rest, steps + rest, steps * (1 + share) + 1.5 * rest)
    return found, sum(whole(lambda timed: timed.processor))


_STATE = {"adamw": 8, "adamw_8bit": 2, "adafactor": 0, "sgd": 4}
"""Bytes of the optimiser's state in a checkpoint, for each weight that moves."""

_TOKENIZER = 2 << 20
"""Bytes of the tokenizer and small files beside a finished model, about; many vocabularies have more."""

_A_STEP = 1000
"""Bytes that a step leaves in journal and trace."""


def _disk(recipe: Recipe, amount: Amount, moving: int, tokenizer: int) -> Range:
    """Checkpoints that are kept, the finished model, cached tokens, journal and trace."""
    options = recipe.training
    made = amount.checkpoints
    kept = min(options.keep_checkpoints, made)
    if options.keep_every:
        kept += amount.steps // options.keep_every
    kept += options.finish_with == "best"
    # One more is written before the oldest one goes.
    checkpoint = (4 + _STATE[options.optimizer.kind]) * moving
    finished = moving * (2 if getattr(recipe.method, "save_precision", "fp32") == "bf16" else 4)
    cache = 8 * (amount.tokens + amount.judged) + 150 * amount.sequences if amount.sequences >= 200 else 0
    likely = kept * checkpoint + finished + cache + tokenizer + _A_STEP * amount.steps
    return Range(likely * 0.9, likely, likely * 1.15 + checkpoint)
