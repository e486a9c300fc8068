"""The runners: the same result from each, errors as themselves, and no process that stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from kamerton.data import Row, clean
from kamerton.data.batches import InProcess, OnRay, Processes, runner
from kamerton.ground.digests import digest
from kamerton.ground.errors import DataError, MachineError
from kamerton.recipe import CleanSection


def doubled(items: Sequence[int]) -> list[int]:
    return [2 * item for item in items]


def with_process(items: Sequence[int]) -> list[int]:
    return [os.getpid()] * len(items)


def refusing(items: Sequence[int]) -> list[int]:
    if 2500 in items:
        raise DataError("this one", where="f:2500", mend="mend it")
    return list(items)


def dying(items: Sequence[int]) -> list[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return list(items)


def rows(count: int) -> list[Row]:
    texts = ["Ĺ»Ăłw ", "niestety nie mogę", "dobrze<|im_end|>", "e\u0328", "zwykły", ""]
    return [
        Row(
            messages=(
                {"role": "user", "content": f"pytanie {n % 1700}"},
                {"role": "assistant", "content": texts[n % 6] and f"{texts[n % 6]} {n % 1700}"},
            ),
            file="f",
            line=n + 1,
        )
        for n in range(count)
    ]


def fingerprint(run: Any) -> str:
    result = clean(rows(3500), CleanSection(language=["pl"], near_duplicates="report").fixing(), run=run)
    contents = [row.content | {"line": row.line} for row in result.rows]
    return digest([contents, [finding.model_dump() for finding in result.findings], result.report.model_dump()])


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 3500])
def test_results_come_in_order(count: int) -> None:
    wanted = [2 * item for item in range(count)]
    assert InProcess().map(doubled, range(count)) == wanted
    if count in {0, 3500}:
        assert Processes(2).map(doubled, range(count)) == wanted


@pytest.mark.slow
def test_workers_work_and_end() -> None:
    used = set(Processes(2).map(with_process, range(4000)))
    assert os.getpid() not in used
    assert not any(psutil.pid_exists(process) for process in used)


@pytest.mark.slow
def test_cleaning_does_not_depend_on_the_runner() -> None:
    assert fingerprint(Processes(2)) == fingerprint(None)


@pytest.mark.parametrize("run", [InProcess(), pytest.param(Processes(2), marks=pytest.mark.slow)])
def test_an_error_of_the_function_comes_back_as_itself(run: Any) -> None:
    with pytest.raises(DataError) as caught:
        run.map(refusing, range(6000))
    assert (caught.value.where, caught.value.mend) == ("f:2500", "mend it")


@pytest.mark.slow
def test_a_killed_worker_is_an_error_that_says_so() -> None:
    with pytest.raises(MachineError, match="a worker process was killed"):
        Processes(2).map(dying, range(2000))


def test_the_flags_choose_the_runner() -> None:
    assert isinstance(runner(), InProcess)
    assert isinstance(runner(4), Processes)
    assert isinstance(runner(1, "ray"), OnRay)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray, about its own old names
def test_ray_gives_the_same_and_errors_as_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.data", reason="needs the extra ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers import this module
    assert fingerprint(OnRay(2)) == fingerprint(None)
    with pytest.raises(DataError) as caught:
        OnRay(2).map(refusing, range(6000))
    assert caught.value.where == "f:2500"
    assert OnRay(2).map(doubled, []) == []


@pytest.mark.slow
def test_ctrl_c_stops_all_processes(tmp_path: Path) -> None:
    line = json.dumps({"prompt": "pytanie", "completion": "Ĺ»Ăłw wchodzi w ĹĽycie. " * 40})
    (tmp_path / "a.jsonl").write_text(f"{line}\n" * 120_000, encoding="utf-8")
    # A process started in the background of a script ignores the signal from the beginning, and so do its children.
    listen = (
        "import signal, kamerton.cli.main as cli; signal.signal(signal.SIGINT, signal.default_int_handler); cli.entry()"
    )
    command = [sys.executable, "-c", listen, "data", "clean", "a.jsonl", "--workers", "2"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    ) as process:
        whole = psutil.Process(process.pid)
        end = time.monotonic() + 60
        while len(whole.children(recursive=True)) < 3 and time.monotonic() < end:  # two workers and a tracker
            time.sleep(0.1)
        family = whole.children(recursive=True)
        time.sleep(1.5)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(family, timeout=10)[1]
