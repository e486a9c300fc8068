"""The class probe: one hash for one way to compute, measured without a trace in the process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from kamerton.ground.errors import MachineError
from kamerton.training import probe as measuring
from kamerton.training.probe import probe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sixteenth of the work, and nothing remembered."""
    for name, value in {"_TOKENS": 61, "_VOCABULARY": 1024, "_HIDDEN": 128, "_FEED_FORWARD": 336}.items():
        monkeypatch.setattr(measuring, name, value)
    measuring._measured.cache_clear()
    yield
    measuring._measured.cache_clear()


def test_the_probe_is_repeatable_and_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = probe(1, "fp32", CPU)
    assert re.fullmatch(r"[0-9a-f]{16}", first.hash)
    assert first.seconds > 0
    measuring._measured.cache_clear()
    assert probe(1, "fp32", CPU).hash == first.hash
    monkeypatch.setattr(measuring, "_train", lambda *_: pytest.fail("measured again"))
    assert probe(1, "fp32", CPU).hash == first.hash


def test_precision_is_part_of_the_class() -> None:
    assert probe(1, "bf16", CPU).hash != probe(1, "fp32", CPU).hash


def test_nothing_of_the_process_changes() -> None:
    torch.manual_seed(3)
    torch.use_deterministic_algorithms(False)
    before = torch.get_rng_state(), torch.get_num_threads()
    probe(2, "fp32", CPU)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_numbers_of_the_process_do_not_change_the_probe() -> None:
    first = probe(1, "fp32", CPU).hash
    measuring._measured.cache_clear()
    torch.manual_seed(99)
    torch.rand(1000)
    assert probe(1, "fp32", CPU).hash == first


@pytest.mark.parametrize("function", ["_attend", "_feed_forward", "_logits"])
def test_a_last_bit_anywhere_is_another_hash(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = probe(1, "fp32", CPU).hash
    measuring._measured.cache_clear()
    computed = getattr(measuring, function)
    monkeypatch.setattr(measuring, function, lambda *given: computed(*given) * (1 + 2.0**-23))
    assert probe(1, "fp32", CPU).hash != first


def test_a_machine_that_computes_by_luck_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = measuring._attend
    monkeypatch.setattr(measuring, "_attend", lambda *given: computed(*given) + torch.rand(()) * 1e-6)
    with pytest.raises(MachineError, match=r"gave two results \(\w{16}, \w{16}\) with 1 threads in fp32") as refused:
        probe(1, "fp32", CPU)
    assert refused.value.mend


def test_the_weights_are_integers_in_disguise() -> None:
    """Pinned: a formula that gave other numbers elsewhere would make every machine a class of its own."""
    weights = measuring._formula(3, (40, 50))
    scaled = weights.double() * 2**23
    assert torch.equal(scaled, scaled.round())
    assert weights.abs().max() <= 2.0**-4
    assert len(weights.unique()) > 1990
    assert not torch.equal(weights, measuring._formula(4, (40, 50)))
    assert scaled.flatten()[:3].tolist() == [-134897, 231421, 78896]


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() in {"DEFAULT", "AVX2"}, reason="needs more than AVX2")
@pytest.mark.slow
def test_another_instruction_set_is_another_class() -> None:
    code = f"""
from kamerton.training import probe as p
import torch
p._TOKENS, p._VOCABULARY, p._HIDDEN, p._FEED_FORWARD = {measuring._TOKENS}, 1024, 128, 336
print(p.probe(1, "fp32", torch.device("cpu")).hash)
"""
    there = os.environ | {"ATEN_CPU_CAPABILITY": "avx2"}
    done = subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"[0-9a-f]{16}", done.stdout.strip())
    assert done.stdout.strip() != probe(1, "fp32", CPU).hash
