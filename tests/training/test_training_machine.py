"""What a run takes when the recipe does not say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from training_samples import FULL, options, recipe

from kamerton.recipe import ModelSection
from kamerton.training import machine
from kamerton.training.forecast.gpus import GPUS
from kamerton.training.machine import machine_choices, physical_cores


@pytest.mark.parametrize(
    ("physical", "allowed", "cores"),
    [(8, 16, 8), (8, 2, 2), (None, 3, 3), (2, 1, 1)],
    ids=["hyper-threads", "a container's share", "an unknown processor", "one core"],
)
def test_cores_are_physical_and_those_that_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch, physical: int | None, allowed: int, cores: int
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 99 if logical else physical)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(allowed)), raising=False)
    assert physical_cores() == cores


def test_without_affinity_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: None)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert physical_cores() == 1


# -- what is chosen --------------------------------------------------------------------------------------------------
def _chosen(base: Path, monkeypatch: pytest.MonkeyPatch, gib: float, **training: Any) -> dict[str, Any]:
    monkeypatch.setattr(machine, "total_memory", lambda: int(gib * 2**30))
    asked = recipe(FULL, options(**training)).model_copy(update={"model": ModelSection(base=str(base))})
    return {key.removeprefix("training."): choice.value for key, choice in machine_choices(asked, base.parent).items()}


OPEN = {"forward_tokens": None, "gradient_checkpointing": None, "device": "cpu"}


def test_choices_follow_from_shape_and_memory(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = _chosen(tiny_base, monkeypatch, 64, batch_size="auto", compute=OPEN)
    assert (wide["compute.forward_tokens"], wide["compute.gradient_checkpointing"]) == (768, False)
    assert wide["batch_size"] == 32
    narrow = _chosen(tiny_base, monkeypatch, 0.1, batch_size="auto", compute=OPEN)
    assert (narrow["compute.forward_tokens"], narrow["compute.gradient_checkpointing"]) == (192, True)
    assert narrow["batch_size"] == 1


def test_a_model_of_no_known_shape_gets_the_usual_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _chosen(tmp_path / "nowhere", monkeypatch, 0.1, batch_size="auto", compute=OPEN)
    assert (found["compute.forward_tokens"], found["batch_size"]) == (768, 8)


def test_another_machine_decides_for_itself(tiny_base: Path) -> None:
    asked = recipe(FULL, options(compute=OPEN)).model_copy(update={"model": ModelSection(base=str(tiny_base))})
    found = {name: machine_choices(asked, tiny_base.parent, GPUS[name]) for name in ("t4", "a100-80gb")}
    assert [each["training.compute.precision"].value for each in found.values()] == ["fp32", "bf16"]
    assert found["t4"]["training.compute.forward_tokens"].value == 8192
