"""Switches that decide the bits of numeric libraries; they count only when set before the first import of those."""

from __future__ import annotations

import os

__all__ = ["BIT_SWITCHES", "settle", "settled"]

BIT_SWITCHES = {
    # Reproducible kernels whatever the alignment of buffers and the number of threads that happen to be free.
    "MKL_CBWR": "AUTO,STRICT",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    # Threads that spin while they wait slow a busy machine down fourfold; sleeping threads change no bits.
    "OMP_WAIT_POLICY": "PASSIVE",
    # cuBLAS is deterministic only with a fixed workspace.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TOKENIZERS_PARALLELISM": "false",
}


def settle() -> None:
    """Set each switch that the user has not set; to be called before torch is imported."""
    for name, value in BIT_SWITCHES.items():
        os.environ.setdefault(name, value)


def settled() -> dict[str, str]:
    """The switches as they are; part of a run's record."""
    return {name: os.environ.get(name, "") for name in sorted(BIT_SWITCHES)}
