"""What this machine decides of a recipe; apart from the rest of the room, to resolve a recipe without torch."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from kamerton.models.locate import base_file
from kamerton.recipe import Derived, Recipe
from kamerton.training.forecast.gpus import Gpu
from kamerton.training.forecast.memory import layout_tokens, need_of, sequences_of
from kamerton.training.forecast.shapes import Shape, read_shape, shape_of

__all__ = ["free_memory", "machine_choices", "machine_shape", "physical_cores", "processor"]

_BF16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
"""Processors with one of these multiply bfloat16 matrices by themselves."""

_SMALLEST, _PROCESSOR, _GPU = 192, 768, 8192
"""Tokens of a forward pass: fewest, and as many as are fast on a processor and on a GPU."""

_MOST_EXAMPLES = 32
"""More than these examples a step are chosen by the user alone, because learning depends on them."""

_SHARE = 0.8
"""Of all memory, what a training may plan with."""


def machine_choices(recipe: Recipe, root: Path, gpu: Gpu | None = None) -> dict[str, Derived]:
    """Values of `training` that a recipe may leave open.

    They follow from the shape of the model and all memory of the machine, not from what happens to be free, so that a
    recipe resolves to the same values, and has the same digest, whatever else runs. Sizes are powers of two.

    Args:
        root: what `model.base` is relative to.
        gpu: another machine than this one.
    """
    device = recipe.training.compute.device
    on_gpu = gpu is not None or (device != "cpu" and _cuda())
    precision, note = _precision(on_gpu) if gpu is None else _precision_of(gpu)
    # A bare processor's figures, wherever the model itself cannot be judged.
    usual = _GPU if on_gpu else _PROCESSOR
    fast = "fast on a GPU" if on_gpu else "as fast as more on a processor, and smaller"
    found = {
        "training.compute.threads": Derived(physical_cores(), "physical cores of this machine"),
        "training.compute.precision": Derived(precision, note),
        "training.compute.forward_tokens": Derived(usual, fast),
        "training.compute.gradient_checkpointing": Derived(False, "memory suffices"),
        "training.batch_size": Derived(8, "usual"),
    }
    shape = machine_shape(recipe, root)
    if shape is not None:
        room = int(_SHARE * (gpu.bytes if gpu else _gpu_memory() if on_gpu else total_memory()))
        trial = _changed(recipe, "compute", precision=recipe.training.compute.precision or precision)
        found |= _that_fit(trial, shape, room, usual, on_gpu)
    return found


def machine_shape(recipe: Recipe, root: Path) -> Shape | None:
    """The shape of the recipe's model, where it can be known without loading it."""
    if recipe.model.architecture is not None:
        return shape_of(recipe.model.architecture)
    assert recipe.model.base is not None
    config = base_file(recipe.model.base, root, "config.json")
    return read_shape(config) if config else None


def _that_fit(recipe: Recipe, shape: Shape, room: int, usual: int, on_gpu: bool) -> dict[str, Derived]:
    """Passes that fit into memory: shorter ones first, then with activations computed twice."""
    compute, longest = recipe.training.compute, min(recipe.training.max_length, shape.context)
    sequences = sequences_of(recipe.training.objective.kind)
    asked = compute.gradient_checkpointing
    sizes = [compute.forward_tokens] if compute.forward_tokens else _halves(usual)
    memory = f"of {room / 2**30:,.0f} GiB"

    def peak(tokens: int, twice: bool) -> int:
        trial = _changed(recipe, "compute", forward_tokens=tokens, gradient_checkpointing=twice)
        return need_of(trial, shape, layout_tokens(trial.training, longest, sequences), gpu=on_gpu).peak

    tries = [(tokens, twice) for twice in ([False, True] if asked is None else [asked]) for tokens in sizes]
    tokens, twice = next((each for each in tries if peak(*each) <= room), tries[-1])
    need = f"about {peak(tokens, twice) / 2**30:,.1f} {memory}"
    found = {"training.compute.gradient_checkpointing": Derived(twice, need)}
    if tokens != usual:
        found["training.compute.forward_tokens"] = Derived(tokens, need)
    batch = 1
    while batch < _MOST_EXAMPLES and peak(2 * batch * sequences * longest, twice) <= room:
        batch *= 2
    found["training.batch_size"] = Derived(batch, f"examples of {longest} tokens that memory holds at once, at most 32")
    return found


def _halves(size: int) -> list[int]:
    return [size >> times for times in range(size.bit_length()) if size >> times >= _SMALLEST]


def _changed(recipe: Recipe, section: str, **values: Any) -> Recipe:
    part = getattr(recipe.training, section).model_copy(update=values)
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={section: part})})


# -- what there is ---------------------------------------------------------------------------------------------------
def physical_cores() -> int:
    """Cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def total_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's."""
    import psutil

    return min(int(psutil.virtual_memory().total), _container("memory.max"))


def free_memory() -> int:
    """Bytes that this process may still take, now."""
    import psutil

    limit = _container("memory.max")
    used = _container("memory.current") if limit < _NO_LIMIT else 0
    return max(min(int(psutil.virtual_memory().available), limit - used), 0)


_NO_LIMIT = 1 << 62


def _container(name: str) -> int:
    """A figure of the control group that this process lives in."""
    try:
        text = (Path("/sys/fs/cgroup") / name).read_text(encoding="ascii").strip()
    except OSError:
        return _NO_LIMIT
    return int(text) if text.isdigit() else _NO_LIMIT


def processor() -> tuple[str, list[str]]:
    """Name of the processor and its instruction sets, as Linux names them; elsewhere the name alone."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    cleaned = {key.strip(): value.strip() for key, value in fields.items()}
    flags = cleaned.get("flags") or cleaned.get("Features") or ""
    return cleaned.get("model name", platform.machine()), flags.split()


def _cuda() -> bool:
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    import torch  # only where there is a GPU to ask

    return torch.cuda.is_available()


def _gpu_memory() -> int:
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory)


def _precision(on_gpu: bool) -> tuple[str, str]:
    if on_gpu:
        import torch

        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16", "the GPU has it") if able else ("fp32", "the GPU has no bfloat16")
    if _BF16_FLAGS.intersection(processor()[1]):
        return "bf16", "the processor has it"
    return "fp32", "the processor has no bfloat16"


def _precision_of(gpu: Gpu) -> tuple[str, str]:
    return ("bf16", f"{gpu.name} has it") if gpu.bf16 else ("fp32", f"{gpu.name} has no bfloat16")
