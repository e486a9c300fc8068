"""Locks: one holder at a time, and none after a holder's end, however it comes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kamerton.ground.errors import StorageError
from kamerton.ground.locks import held, take_lock

HOLDER = """
import sys, time
from pathlib import Path
from kamerton.ground.locks import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_waits_for_the_other_process_and_outlives_its_kill(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with path.open() as handle:
            began = time.monotonic()
            assert not take_lock(handle, patience_s=0.05)
            assert not take_lock(handle, shared=True, patience_s=0.0)
            assert 0.04 < time.monotonic() - began < 5
        holder.send_signal(signal.SIGKILL)
        with held(path), path.open() as second:
            assert not take_lock(second, patience_s=0.0)


def test_several_may_share(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open() as first, path.open() as second, path.open() as third:
        assert take_lock(first, shared=True)
        assert take_lock(second, shared=True, patience_s=0.0)
        assert not take_lock(third, patience_s=0.0)


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(tmp_path / "lock"):
        raise ZeroDivisionError
    with (tmp_path / "lock").open() as handle:
        assert take_lock(handle, patience_s=0.0)


@pytest.mark.parametrize("place", ["/proc/kamerton/lock", "/dev/null/lock", "/sys/kamerton/lock"])
def test_a_place_that_takes_no_files_is_named(place: str) -> None:
    with pytest.raises(StorageError, match=r"/(proc|dev/null|sys)"), held(Path(place)):
        pytest.fail("there is no lock to hold")
