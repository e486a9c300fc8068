"""The benchmark that counts equal runs sees those that are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

# Threads that add atomically add in the order of luck; the deterministic kernel keeps to the order given.
CODE = """
import hashlib, kamerton, torch
from determinism import repeated
def work():
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms({strict})
    torch.manual_seed(1)
    places, values = torch.randint(0, 8, (20_000,)), torch.randn(20_000, 8)
    sums = torch.zeros(8, 8).index_put_((places,), values, accumulate=True)
    return hashlib.sha256(sums.numpy().tobytes()).hexdigest()
print(len(repeated(work, 5)))
"""


@pytest.mark.skipif(not hasattr(os, "fork") or (os.cpu_count() or 1) < 2, reason="needs forks and two cores")
@pytest.mark.slow
def test_an_operation_that_sums_by_luck_is_seen_as_unequal() -> None:
    told = []
    for strict in (False, True):
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(strict=strict)],
            env=os.environ | {"PYTHONPATH": str(BENCHMARKS)},
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(int(done.stdout))
    assert told[0] > 1
    assert told[1] == 1


def test_a_run_that_fails_is_not_counted() -> None:
    code = "from determinism import repeated\ndef work(): raise ValueError('broken on purpose')\nrepeated(work, 2)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "broken on purpose" in done.stderr
    assert "a run failed" in done.stderr
