"""How many threads a run takes when the recipe does not say."""

from __future__ import annotations

import os

import psutil
import pytest

from kamerton.training.machine import physical_cores


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
