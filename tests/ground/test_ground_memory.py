"""The peak of memory is this program's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kamerton.ground.memory import peak_bytes

_SAID = "from kamerton.ground.memory import peak_bytes; print(peak_bytes())"


def test_what_was_freed_still_counts() -> None:
    before = peak_bytes()
    large = bytearray(before + (64 << 20))
    del large
    assert peak_bytes() >= before + (64 << 20)


def test_what_the_parent_had_does_not_count() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("Linux alone tells it")
    code = f"import subprocess, sys; large = bytearray(300 << 20); subprocess.run([sys.executable, '-c', {_SAID!r}])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0 < int(said) < 200 << 20


def test_without_procfs_the_kernel_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: object, **more: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert peak_bytes() > 1 << 20
