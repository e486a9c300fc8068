"""What numeric libraries must promise before equal runs can be: asked of the libraries, not of the environment.

A switch in the environment counts only when it is set before its library first looks, so that the environment proves
nothing about a process that has imported torch already.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch

from kamerton.ground.errors import MachineError

__all__ = ["refuse_luck"]

_UNWRITTEN = "oneDNN leaves the shares of the missing threads in a bfloat16 product unwritten"

_ALL_SETTINGS = ctypes.c_int(-1)
"""MKL_CBWR_ALL: branch and flags of conditional numerical reproducibility in one number."""
_NO_REPRODUCIBILITY = 1
"""MKL_CBWR_BRANCH_OFF."""


def refuse_luck(threads: int) -> None:
    """Refuse settings under which equal runs can differ.

    Where a library cannot be asked (a build of torch without OpenMP or MKL), nothing is refused; the class probe still
    compares what comes out.

    Args:
        threads: threads that torch was told to use.

    Raises:
        MachineError: names each setting, what it breaks, and what to set instead.
    """
    broken = _broken(threads)
    if broken:
        raise MachineError(
            "equal runs would not be equal with the settings of this process:\n    " + "\n    ".join(broken),
            expected="numeric libraries that always compute alike",
            mend="unset what is named here, or use one thread: training.compute.threads=1 for a training, "
            "OMP_NUM_THREADS=1 for all else; in Python, import kamerton before torch",
        )


def _broken(threads: int) -> list[str]:
    sentences = []
    if threads > 1:
        limit = _asked("omp_get_thread_limit")
        if _asked("omp_get_dynamic"):
            sentences.append(f"OMP_DYNAMIC is on: a busy machine gives fewer than {threads} threads; {_UNWRITTEN}")
        if limit is not None and 0 < limit < threads:
            sentences.append(f"OMP_THREAD_LIMIT is {limit}, and {threads} threads are asked for; {_UNWRITTEN}")
        if _asked("omp_get_max_active_levels") == 0:
            sentences.append(f"OMP_MAX_ACTIVE_LEVELS is 0: one thread instead of {threads}; {_UNWRITTEN}")
    if _asked("mkl_serv_cbwr_get", _ALL_SETTINGS) == _NO_REPRODUCIBILITY:
        sentences.append(
            "MKL_CBWR was not set when MKL was first used: how a product is summed depends on where its buffers lie"
        )
    return sentences


def _asked(question: str, *arguments: ctypes.c_int) -> int | None:
    """The answer of a function of torch's numeric libraries; None where there is no such function."""
    function = getattr(_libraries(), question, None)
    return None if function is None else int(function(*arguments))


@cache
def _libraries() -> ctypes.CDLL | None:
    """torch's compute library; what it does not define itself is looked for in the libraries it is linked with."""
    folder = Path(torch.__file__).parent / "lib"
    found = (folder / name for name in ("libtorch_cpu.so", "libtorch_cpu.dylib") if (folder / name).exists())
    return next((ctypes.CDLL(str(path)) for path in found), None)
