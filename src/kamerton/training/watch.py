"""What a step does, as digests in the order in which it happens: how two replays that part are told where.

Hooks only read: a watched step has the bits of an unwatched one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

import torch

from kamerton.training.loop import Loop
from kamerton.training.order import step_digest

__all__ = ["Deed", "Parting", "first_parting", "watched"]

Kind = Literal["start", "example", "input", "output", "loss", "backward", "gradient", "clipped", "update"]


class Deed(NamedTuple):
    """One thing that a step does."""

    kind: Kind
    name: str
    """Example id, module or weight."""
    digest: str


class Parting(NamedTuple):
    """The first thing that two steps do differently."""

    step: int
    forward_pass: int | None
    """Of the step, from 1; None for what belongs to the step as a whole."""
    module: str
    """Module, weight or example id; empty for what belongs to none."""
    operation: str


@contextmanager
def watched(loop: Loop) -> Iterator[list[Deed]]:
    """Notes what the steps of a loop do, in order, after the weights that they begin with.

    The list is the caller's to empty.
    """
    done: list[Deed] = []

    def note(kind: Kind, name: str, value: Any) -> None:
        done.append(Deed(kind, name, _digest(value)))

    for name, weight in loop.network.loaded.model.named_parameters():
        note("start", name, weight)
    with ExitStack() as hooks:
        for name, module in loop.network.loaded.model.named_modules():
            for handle in _module_hooks(module, name, note):
                hooks.callback(handle.remove)
        for handle in _weight_hooks(loop, note):
            hooks.callback(handle.remove)
        hooks.enter_context(_objective_watched(loop, done, note))
        yield done


Note = Callable[[Kind, str, Any], None]


def _module_hooks(module: torch.nn.Module, name: str, note: Note) -> list[Any]:
    """What goes into a module, what comes out, and the gradient that comes back."""

    def before(_: Any, inputs: Any, keywords: Any) -> None:
        note("input", name, (inputs, keywords))

    def after(_: Any, inputs: Any, keywords: Any, output: Any) -> None:
        note("output", name, output)
        for tensor in _tensors(output):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient: note("backward", name, gradient))

    return [
        module.register_forward_pre_hook(before, with_kwargs=True),
        module.register_forward_hook(after, with_kwargs=True),
    ]


def _weight_hooks(loop: Loop, note: Note) -> list[Any]:
    """Each weight's gradient as a pass left it, as clipping left it, and the weight with its state after the update."""

    def accumulated(name: str) -> Callable[[torch.Tensor], None]:
        return lambda weight: note("gradient", name, weight.grad)

    def clipped(*_: Any) -> None:
        for name, weight in loop.weights.items():
            note("clipped", name, weight.grad)

    def updated(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for name, weight in loop.weights.items():
            note("update", name, (weight, dict(sorted(optimizer.state[weight].items()))))

    handles = [weight.register_post_accumulate_grad_hook(accumulated(name)) for name, weight in loop.weights.items()]
    return [*handles, loop.optimizer.register_step_pre_hook(clipped), loop.optimizer.register_step_post_hook(updated)]


@contextmanager
def _objective_watched(loop: Loop, done: list[Deed], note: Note) -> Iterator[None]:
    """The examples of each step, and the loss of each forward pass."""
    objective: Any = loop.objective
    begin, lose = objective.begin_step, objective.loss

    def begin_step(*given: Any) -> Any:
        examples, context = begin(*given)
        done.extend(Deed("example", example.id, step_digest([example])) for example in examples)
        return examples, context

    def loss(*given: Any) -> Any:
        found = lose(*given)
        note("loss", "", found.total)
        return found

    # On the instance: the class is untouched, and what was there comes back by taking these away.
    objective.begin_step, objective.loss = begin_step, loss
    try:
        yield
    finally:
        del objective.begin_step, objective.loss


# -- digests -----------------------------------------------------------------------------------------------------------
def _digest(value: Any) -> str:
    running = hashlib.sha256()
    for tensor in _tensors(value):
        plain = tensor.detach().cpu().contiguous()
        running.update(f"{plain.dtype}:{tuple(plain.shape)}".encode())
        running.update(plain.view(-1).view(torch.uint8).numpy().data)
    return running.hexdigest()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    """All tensors of what a module is given or gives; caches and numbers are passed over."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


# -- what parted -------------------------------------------------------------------------------------------------------
def first_parting(step: int, ours: Sequence[Deed], theirs: Sequence[Deed]) -> Parting | None:
    """The first thing that the same step of two replays does differently; None where they do the same."""
    losses, before = 0, None
    for mine, other in zip_longest(ours, theirs):
        if mine != other:
            module, operation = _told(mine, other, before)
            return Parting(step, _pass_of(mine or other, losses), module, operation)
        losses += mine.kind == "loss"
        before = mine
    return None


def _pass_of(deed: Deed | None, losses: int) -> int | None:
    """The forward pass that something belongs to, after so many losses: a loss ends a pass's way forward."""
    assert deed is not None
    match deed.kind:
        case "input" | "output" | "loss":
            return losses + 1
        case "backward" | "gradient":
            return losses
    return None


_OPERATIONS: dict[Kind, str] = {
    "start": "weight before the first of these steps",
    "example": "content of the example",
    "output": "forward",
    "loss": "loss of the objective",
    "backward": "gradient that comes back to its output",
    "gradient": "gradient of the weight",
    "clipped": "gradient of the weight after clipping",
    "update": "optimiser update",
}


def _told(mine: Deed | None, other: Deed | None, before: Deed | None) -> tuple[str, str]:
    """Module and operation."""
    if mine is None or other is None:
        longer = mine or other
        assert longer is not None
        return longer.name, f"only one of the runs comes to this ({longer.kind})"
    if (mine.kind, mine.name) != (other.kind, other.name):
        if mine.kind == other.kind == "example":
            return mine.name, f"the other run has the example {other.name} in its place"
        return mine.name, f"{mine.kind}, where the other run comes to {other.kind} of {other.name or 'the step'}"
    if mine.kind == "input":
        since = f"between {before.name} and " if before and before.kind == "output" and before.name else ""
        return mine.name.rpartition(".")[0], f"forward, {since}what {mine.name.rpartition('.')[2]} is given"
    return mine.name, _OPERATIONS[mine.kind]
