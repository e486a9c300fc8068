"""Common GPUs: what their makers say of memory, dense matrix products and memory bandwidth.

Figures are those that the makers give, without sparsity, for sums in fp32, as commonly quoted; hold them against your
maker's data sheet (docs/forecast.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from kamerton.ground.errors import RequestError

__all__ = ["GPUS", "Gpu", "find_gpu"]


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    name: str
    memory: int
    """GiB that it has; programs get a little less."""
    tflops: float
    """Products of bfloat16 matrices in 10^12 operations a second; of fp32 ones where it has no bfloat16."""
    bandwidth: int
    """GB/s."""
    bf16: bool = True

    @property
    def bytes(self) -> int:
        return self.memory << 30


_TABLE = [
    Gpu("t4", 16, 8.1, 320, bf16=False),
    Gpu("v100-16gb", 16, 15.7, 900, bf16=False),
    Gpu("v100-32gb", 32, 15.7, 900, bf16=False),
    Gpu("rtx-3090", 24, 71.0, 936),
    Gpu("rtx-4090", 24, 165.2, 1008),
    Gpu("rtx-5090", 32, 209.5, 1792),
    Gpu("rtx-a6000", 48, 154.8, 768),
    Gpu("rtx-6000-ada", 48, 364.2, 960),
    Gpu("a10", 24, 125.0, 600),
    Gpu("a10g", 24, 70.0, 600),
    Gpu("a40", 48, 149.7, 696),
    Gpu("l4", 24, 121.0, 300),
    Gpu("l40s", 48, 362.0, 864),
    Gpu("a100-40gb", 40, 312.0, 1555),
    Gpu("a100-80gb", 80, 312.0, 2039),
    Gpu("h100-pcie", 80, 756.0, 2000),
    Gpu("h100-80gb", 80, 989.0, 3350),
    Gpu("h200", 141, 989.0, 4800),
    Gpu("b200", 180, 2250.0, 7700),
    Gpu("mi300x", 192, 1307.0, 5300),
]
GPUS = {gpu.name: gpu for gpu in _TABLE}


def find_gpu(name: str) -> Gpu:
    """The GPU of a name; letter case, spaces and underscores do not count.

    Raises:
        RequestError: there is none of this name.
    """
    found = GPUS.get(name.strip().lower().replace(" ", "-").replace("_", "-"))
    if found is None:
        raise RequestError("no such machine", where=f"--machine {name}", expected=f"one of: {', '.join(GPUS)}")
    return found
