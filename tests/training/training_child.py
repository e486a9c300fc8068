"""A training in a process of its own, which can be killed from outside or kills itself at a chosen place."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from training_samples import METHODS, new_run, options, train

from kamerton.ground.digests import folder_digests
from kamerton.ground.errors import Interrupted
from kamerton.journal import RunFolder, read_events

_PATIENCE_S = 120.0

# One process imports the libraries once; each training is a fork of it, from before any thread was started.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["kamerton.training.run", "transformers.models.llama.modeling_llama"])


@dataclass(frozen=True)
class Fall:
    """Where a process kills itself: around a call of a function, or when half of a trace line is written."""

    module: str
    function: str
    call: int
    """From 1."""
    when: Literal["before", "after", "half"] = "before"

    def __str__(self) -> str:
        return f"{self.when} call {self.call} of {self.function}"

    def arm(self) -> None:
        module = importlib.import_module(self.module)
        function, calls = getattr(module, self.function), iter(range(1, 100_000))
        setattr(
            module, self.function, self._half_line(function) if self.when == "half" else self._call(function, calls)
        )

    def _call(self, function: Callable[..., Any], calls: Iterator[int]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            here = next(calls) == self.call
            if here and self.when == "before":
                _die()
            result = function(*args, **kwargs)
            if here:
                _die()
            return result

        return call

    def _half_line(self, write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
        lines = iter(range(1, 100_000))

        def call(handle: int, payload: bytes) -> int:
            if payload.startswith(b'{"batch":') and next(lines) == self.call:
                write(handle, payload[: len(payload) // 2])
                _die()
            return write(handle, payload)

        return call


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _work(base: Path, folder: Path, method: str, changes: dict[str, Any], fall: Fall | None) -> None:
    if fall is not None:
        fall.arm()
    try:
        train(base, RunFolder(folder), METHODS[method], options(**changes))
    except Interrupted as error:
        (folder.parent / f"{folder.name}.said").write_text(json.dumps(error.document()), "utf-8")
        sys.exit(error.exit_code)


class Training:
    """A run of one method and one set of options, in as many processes as it takes."""

    def __init__(self, base: Path, folder: Path, method: str, **changes: Any) -> None:
        self._base = base
        self._method = method
        self._changes = changes
        self.run = new_run(folder)

    @contextmanager
    def process(self, fall: Fall | None = None) -> Iterator[BaseProcess]:
        """Begins the run or goes on with it; whatever is left of the process in the end is killed."""
        arguments = (self._base, self.run.path, self._method, self._changes, fall)
        process = _CONTEXT.Process(target=_work, args=arguments)
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    def to_the_end(self, fall: Fall | None = None) -> int | None:
        """The exit code; negative for the signal that ended it."""
        with self.process(fall) as process:
            process.join(_PATIENCE_S)
            return process.exitcode

    def signalled(self, number: signal.Signals, more_steps: int, delay_s: float = 0.0) -> int | None:
        """Signal the process when it has done some more steps and a moment has passed; its exit code."""
        wanted = self.steps() + more_steps
        with self.process() as process:
            self.wait(wanted, process)
            time.sleep(delay_s)
            assert process.pid is not None
            os.kill(process.pid, number)
            process.join(_PATIENCE_S)
            return process.exitcode

    def steps(self) -> int:
        """Steps that the journal tells of, repeated ones included."""
        return sum(event["kind"] == "step" for event in read_events(self.run.path))

    def wait(self, steps: int, process: BaseProcess) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while self.steps() < steps:
            assert process.is_alive(), f"the process ended by itself with {process.exitcode}"
            assert time.monotonic() < deadline, f"{steps} steps took too long"
            time.sleep(0.005)

    def said(self) -> dict[str, str]:
        """What the run said when it was interrupted."""
        path = self.run.path
        document: dict[str, str] = json.loads((path.parent / f"{path.name}.said").read_text("utf-8"))
        return document

    def resumptions(self) -> list[int]:
        """The steps that it went on from."""
        return [event["step"] for event in read_events(self.run.path) if event["kind"] == "resumed"]

    def proof(self) -> tuple[dict[str, str], bytes]:
        """The hashes of the finished model's files, and the trace."""
        return folder_digests(self.run.model), (self.run.path / "trace.jsonl").read_bytes()
