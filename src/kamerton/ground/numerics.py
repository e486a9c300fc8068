"""Switches that decide the bits of numeric libraries; they count only when set before those are first used."""

from __future__ import annotations

import os

__all__ = ["BIT_SWITCHES", "settle", "settled"]

BIT_SWITCHES = {
    # Without it MKL chooses by the alignment of buffers how it sums thin fp32 products, such as those of an adapter.
    "MKL_CBWR": "AUTO,STRICT",
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    # Threads that spin while they wait slow a busy machine down fourfold; sleeping threads change no bits.
    "OMP_WAIT_POLICY": "PASSIVE",
    # cuBLAS is deterministic only with a fixed workspace.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TOKENIZERS_PARALLELISM": "false",
}

_NO_CHOICE = ("OMP_DYNAMIC",)
"""With another value oneDNN leaves parts of a bfloat16 product unwritten while the machine is busy."""

_OBSERVED = (
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Switches that change bits and are the user's affair: nothing is set, but a run's record names those that are."""


_THRIFT = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
"""Kernels that oneDNN and ideep keep for each shape of a product, a quarter of a MiB each: the usual 1,024 fill memory
for as long as shapes are new. They change no bits."""


def settle() -> None:
    """Set each switch that the user has not set; to be called before torch is used."""
    for name, value in _THRIFT.items():
        os.environ.setdefault(name, value)
    for name, value in BIT_SWITCHES.items():
        if name in _NO_CHOICE:
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)


def settled() -> dict[str, str]:
    """The switches as they are; part of a run's record."""
    always = {name: os.environ.get(name, "") for name in (*sorted(BIT_SWITCHES), "ATEN_CPU_CAPABILITY")}
    return always | {name: os.environ[name] for name in _OBSERVED if os.environ.get(name)}
