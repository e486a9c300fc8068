"""What this machine decides of a recipe; apart from the rest of the room, to resolve a recipe without torch."""

from __future__ import annotations

import os
from pathlib import Path

from kamerton.recipe import Derived

__all__ = ["machine_choices", "physical_cores", "processor_flags"]

_BF16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
"""Processors with one of these multiply bfloat16 matrices by themselves."""


def machine_choices(device: str) -> dict[str, Derived]:
    """Values of `training.compute` that a recipe may leave open.

    Args:
        device: `training.compute.device` of the recipe.
    """
    cores = physical_cores()
    precision, note = _precision(device)
    return {
        "training.compute.threads": Derived(cores, "physical cores of this machine"),
        "training.compute.precision": Derived(precision, note),
        "training.compute.forward_tokens": Derived(1024, "as fast as more on a processor, and smaller"),
        "training.compute.gradient_checkpointing": Derived(False, "memory suffices"),
    }


def physical_cores() -> int:
    """Cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def processor_flags() -> set[str]:
    """Instruction sets of the processor, as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    told = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return set(told.split(":", 1)[1].split())


def _precision(device: str) -> tuple[str, str]:
    if device != "cpu" and any(Path("/dev").glob("nvidia[0-9]*")):
        import torch  # only where there is a GPU to ask

        if torch.cuda.is_available():
            able = torch.cuda.is_bf16_supported()
            return ("bf16", "the GPU has it") if able else ("fp32", "the GPU has no bfloat16")
    if processor_flags() & _BF16_FLAGS:
        return "bf16", "the processor has it"
    return "fp32", "the processor has no bfloat16"
