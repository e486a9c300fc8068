"""Batch functions, run in this process, by worker processes, or by Ray Data: the result is the same.

A batch function takes a sequence of items and gives a list with one result for each. For workers it must be a function
of a module (or a `functools.partial` of one), and what it takes and gives must be picklable.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from kamerton.ground.errors import MachineError
from kamerton.ground.need import need

__all__ = ["InProcess", "OnRay", "Processes", "Runner", "runner"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Batch = Callable[[Sequence[Item]], list[Result]]

_SLICE = 1000
"""Items in a call: enough to make the way to a worker cheap, few enough that an interruption is answered soon."""


class Runner(Protocol):
    """Calls a batch function on slices of the items."""

    def map(self, function: Batch[Item, Result], items: Sequence[Item]) -> list[Result]:
        """One result for each item, in their order; an error of the function comes back as itself."""
        ...


def runner(workers: int = 1, kind: Literal["processes", "ray"] = "processes") -> Runner:
    """The runner for `--workers` and `--runner`."""
    if kind == "ray":
        return OnRay(workers)
    return Processes(workers) if workers > 1 else InProcess()


class InProcess:
    """One slice after the other, here."""

    def map(self, function: Batch[Item, Result], items: Sequence[Item]) -> list[Result]:
        return _joined(map(function, _slices(items)), items)


class Processes:
    """Worker processes, started afresh, so that they inherit no locks and no threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, function: Batch[Item, Result], items: Sequence[Item]) -> list[Result]:
        if len(items) <= _SLICE:
            return InProcess().map(function, items)
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        slices = _slices(items)
        # Ctrl-C reaches the whole group of processes; only this one answers it, and lets the others end.
        with ProcessPoolExecutor(
            min(self._workers, len(slices)),
            mp_context=get_context("spawn"),
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        ) as pool:
            try:
                return _joined(pool.map(function, slices), items)
            except BrokenProcessPool as error:
                raise MachineError(
                    "a worker process was killed; the usual cause is too little memory",
                    where=f"{self._workers} workers",
                    mend="run again with fewer --workers",
                ) from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


class OnRay:
    """Ray Data: the cluster that `RAY_ADDRESS` names, or one on this machine that ends with the call."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def map(self, function: Batch[Item, Result], items: Sequence[Item]) -> list[Result]:
        if not items:
            return []
        # Before the import, or Ray reports its use to its makers.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray, ray_data = need("ray", "ray"), need("ray.data", "ray")
        started = not ray.is_initialized()
        if started:
            local: dict[str, Any] = {"num_cpus": self._workers, "include_dashboard": False}
            ray.init(log_to_driver=False, logging_level="ERROR", **({} if os.environ.get("RAY_ADDRESS") else local))
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        ray_data.DataContext.get_current().enable_progress_bars = False
        try:
            table = [{"place": place, "slice": _Sealed(part)} for place, part in enumerate(_slices(items))]
            rows = ray_data.from_items(table).map(_on_ray, fn_args=(function,)).take_all()
        finally:
            if started:
                ray.shutdown()
        return _joined((_opened(row["slice"]) for row in sorted(rows, key=lambda row: row["place"])), items)


@dataclass(frozen=True)
class _Sealed:
    """What Ray is to carry as it is, and not turn into a column."""

    content: Any


def _on_ray(row: dict[str, Any], function: Batch[Any, Any]) -> dict[str, Any]:
    """One slice on a Ray worker; an error travels as a value, because Ray Data keeps no more than its text."""
    try:
        made: Any = function(row["slice"].content)
    except Exception as error:  # whatever it is, the caller raises it again
        made = error
    return {"place": row["place"], "slice": _Sealed(made)}


def _opened(made: _Sealed) -> Any:
    if isinstance(made.content, Exception):
        raise made.content
    return made.content


def _slices(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + _SLICE] for start in range(0, len(items), _SLICE)]


def _joined(parts: Iterator[list[Result]], items: Sequence[Item]) -> list[Result]:
    results = [result for part in parts for result in part]
    assert len(results) == len(items), "a batch function gives one result for each item"
    return results
