"""Settings under which equal runs can differ are refused, by what the libraries say and not by the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from kamerton.ground.errors import MachineError
from kamerton.ground.numerics import BIT_SWITCHES
from kamerton.training import contract
from kamerton.training.contract import refuse_luck

WELL = {
    "omp_get_dynamic": 0,
    "omp_get_thread_limit": 2**31 - 1,
    "omp_get_max_active_levels": 2**31 - 1,
    "mkl_serv_cbwr_get": 0x10000 | 2,
}


def _process(code: str, **switches: str) -> str:
    """What a process prints that began without any of our switches."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MKL_"))}
    done = subprocess.run([sys.executable, "-c", code], env=bare | switches, capture_output=True, text=True, check=True)
    return done.stdout


def test_this_process_keeps_the_contract() -> None:
    refuse_luck(torch.get_num_threads())
    refuse_luck(2)
    assert contract._libraries() is not None or sys.platform == "win32"


@pytest.mark.parametrize(
    ("told", "threads", "named"),
    [
        ({}, 2, []),
        ({"omp_get_dynamic": 1}, 2, ["OMP_DYNAMIC"]),
        ({"omp_get_dynamic": 1}, 1, []),
        ({"omp_get_thread_limit": 2}, 2, []),
        ({"omp_get_thread_limit": 1}, 2, ["OMP_THREAD_LIMIT"]),
        ({"omp_get_thread_limit": 1}, 1, []),
        ({"omp_get_max_active_levels": 0}, 2, ["OMP_MAX_ACTIVE_LEVELS"]),
        ({"omp_get_max_active_levels": 0}, 1, []),
        ({"mkl_serv_cbwr_get": 1}, 1, ["MKL_CBWR"]),
        ({"mkl_serv_cbwr_get": 2}, 1, []),
        ({"omp_get_dynamic": 1, "mkl_serv_cbwr_get": 1}, 4, ["OMP_DYNAMIC", "MKL_CBWR"]),
        (dict.fromkeys(WELL), 4, []),
    ],
    ids=str,
)
def test_each_setting_is_named(
    told: dict[str, int | None], threads: int, named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "_asked", lambda question, *_: (WELL | told)[question])
    if not named:
        refuse_luck(threads)
        return
    with pytest.raises(MachineError) as refused:
        refuse_luck(threads)
    sentences = refused.value.what.splitlines()[1:]
    assert [sentence.split()[0] for sentence in sentences] == named
    assert refused.value.mend


def test_a_library_that_cannot_be_asked_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "_libraries", lambda: None)
    refuse_luck(2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not torch.backends.mkl.is_available(), reason="needs GNU OpenMP and MKL")
def test_torch_that_was_used_before_kamerton_is_refused() -> None:
    """The switches that Kamerton sets come too late then; the libraries say so."""
    code = """
import torch
torch.ones(64, 64) @ torch.ones(64, 64)
from kamerton.ground.errors import MachineError
from kamerton.training.environment import make_deterministic
try:
    make_deterministic(1, 2)
except MachineError as error:
    print(error)
"""
    said = _process(code, OMP_DYNAMIC="TRUE", OMP_THREAD_LIMIT="1", OMP_MAX_ACTIVE_LEVELS="0")
    for name in ("OMP_DYNAMIC", "OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS", "MKL_CBWR"):
        assert f"\n    {name} " in said
    assert "import kamerton before torch" in said
    assert BIT_SWITCHES["OMP_DYNAMIC"] == "FALSE"


@pytest.mark.slow
@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="needs MKL")
@pytest.mark.parametrize(("switches", "alike"), [({}, False), ({"MKL_CBWR": "AUTO,STRICT"}, True)])
def test_without_reproducible_mkl_a_thin_product_depends_on_its_place(switches: dict[str, str], alike: bool) -> None:
    """Why MKL_CBWR is set: products as of an adapter of rank 8, of buffers 0 and 8 bytes into a cache line."""
    code = """
import torch
def placed(values, offset):
    room = torch.empty(values.numel() + 64)
    begin = (-room.data_ptr() % 64 + offset) // 4
    return room[begin : begin + values.numel()].view(values.shape).copy_(values)
torch.manual_seed(1)
alike = True
for rows, inner, columns in ((1024, 640, 8), (640, 1024, 8), (7, 333, 77)):
    left, right = torch.randn(rows, inner), torch.randn(columns, inner)
    first, second = (placed(left, offset) @ placed(right, offset).t() for offset in (0, 8))
    alike &= torch.equal(first, second)
print(alike)
"""
    said = _process(code, **switches)
    if not alike and said == "True\n":
        pytest.skip("MKL does not look at the alignment on this processor")
    assert said == f"{alike}\n"


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not torch.backends.mkldnn.is_available(), reason="needs GNU OpenMP and oneDNN"
)
@pytest.mark.parametrize(("switches", "right"), [({}, True), ({"OMP_THREAD_LIMIT": "1"}, False)])
def test_with_fewer_threads_than_asked_a_bf16_product_is_wrong(switches: dict[str, str], right: bool) -> None:
    """Why missing threads are refused. When this fails, oneDNN has been mended."""
    code = """
import torch
torch.set_num_threads(2)
torch.manual_seed(1)
left, right = torch.randn(1024, 640).bfloat16(), torch.randn(640, 640).bfloat16()
truth = left.double() @ right.double()
for _ in range(20):
    seven = torch.full((1024, 640), 7.0, dtype=torch.bfloat16)
    del seven  # so that an unwritten place shows
    if (left @ right - truth).abs().max() > 0.05 * truth.abs().max():
        print("wrong")
        break
else:
    print("right")
"""
    said = _process(code, **switches)
    if not right and said == "right\n" and torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("oneDNN has no bfloat16 product of its own on this processor")
    assert said == ("right\n" if right else "wrong\n")
