"""The switches that decide bits are set at every door before torch is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kamerton.ground.numerics import BIT_SWITCHES, settle, settled

_TELL = f"import json, os; print(json.dumps({{name: os.environ.get(name) for name in {sorted(BIT_SWITCHES)}}}))"
_UNLESS_TORCH = "import sys; assert 'torch' not in sys.modules; "


def _told(*command: str, **switches: str) -> dict[str, str]:
    """What a process started without any of our switches prints last."""
    bare = {name: value for name, value in os.environ.items() if name not in BIT_SWITCHES}
    done = subprocess.run(command, env=bare | switches, capture_output=True, text=True, check=True)
    told: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    "door",
    [
        "import kamerton; ",
        "from kamerton import train; ",
        "from kamerton.cli.main import main; ",
        "import kamerton.ground.settings; ",
    ],
)
def test_each_door_settles_before_torch_is_there(door: str) -> None:
    assert _told(sys.executable, "-c", door + _UNLESS_TORCH + _TELL) == BIT_SWITCHES


def test_a_child_process_has_them_too() -> None:
    child = f"subprocess.run([sys.executable, '-c', {_TELL!r}], check=True)"
    assert _told(sys.executable, "-c", f"import subprocess, sys, kamerton; {child}") == BIT_SWITCHES


def test_what_the_user_has_set_stays() -> None:
    command = (sys.executable, "-c", "import kamerton; " + _TELL)
    assert _told(*command, MKL_CBWR="COMPATIBLE") == BIT_SWITCHES | {"MKL_CBWR": "COMPATIBLE"}


def test_a_switch_that_makes_results_wrong_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BIT_SWITCHES:
        monkeypatch.setenv(name, "")  # seen by monkeypatch, so that the end of the test restores it
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_DYNAMIC", "TRUE")
    settle()
    assert {name: settled()[name] for name in BIT_SWITCHES} == BIT_SWITCHES


def test_a_record_names_switches_that_only_users_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert "ONEDNN_MAX_CPU_ISA" not in settled()
    assert settled()["ATEN_CPU_CAPABILITY"] == ""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert settled()["ONEDNN_MAX_CPU_ISA"] == "AVX2"
