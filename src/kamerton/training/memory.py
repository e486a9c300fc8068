"""Peak memory of this process."""

from __future__ import annotations

import resource
import sys

import torch

__all__ = ["peak_mib"]


def peak_mib(device: torch.device) -> int:
    """Most memory held so far, in MiB: of the GPU where there is one, else resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) >> 20)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak >> 20 if sys.platform == "darwin" else peak >> 10)
