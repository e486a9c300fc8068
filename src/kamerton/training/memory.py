"""Peak memory of this process."""

from __future__ import annotations

import torch

from kamerton.ground.memory import peak_bytes

__all__ = ["peak_mib"]


def peak_mib(device: torch.device) -> int:
    """Most memory held so far, in MiB: of the GPU where there is one, else resident memory."""
    return int(torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_bytes()) >> 20
