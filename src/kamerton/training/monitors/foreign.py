"""The records of a run that another program made: transformers' `trainer_state.json`, LLaMA-Factory's
`trainer_log.jsonl`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kamerton.ground.errors import DataError, RequestError
from kamerton.training.monitors.history import Ended, Evaluation, Facts, Record, Step

__all__ = ["ForeignRun", "read_foreign"]


@dataclass(frozen=True)
class ForeignRun:
    """Records, and what they do not tell."""

    records: list[Record]
    unjudged: list[str]
    """A sentence for each symptom that the file cannot show."""


@dataclass(frozen=True)
class _Log:
    """A log as it was written."""

    entries: list[Mapping[str, Any]]
    planned: int | None
    """Steps that were planned."""
    done: int = 0
    """Steps that were done, where it says so apart from its entries; the last ones may not have been logged."""
    cut_off: bool = False
    """The last line was not written to its end."""

    @property
    def ended(self) -> bool:
        """Whether the training came to its end, as far as the log tells."""
        reached = max((_step(entry) or 0 for entry in self.entries), default=0)
        summed_up = any("train_runtime" in entry for entry in self.entries)
        return summed_up or self.planned is None or max(reached, self.done) >= self.planned

    @property
    def rewarded(self) -> bool:
        """Whether it learned from rewards: TRL names them so."""
        return any("reward" in entry for entry in self.entries)


def read_foreign(path: Path) -> ForeignRun:
    """Read a log of a finished or running training.

    Raises:
        RequestError: there is no such file.
        DataError: it is neither of the two kinds, or has no step in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the file cannot be read: {error}", where=str(path)) from error
    log = _state(text) or _lines(text)
    if log is None:
        raise DataError(
            "not a log of a training",
            where=str(path),
            expected="transformers' trainer_state.json or LLaMA-Factory's trainer_log.jsonl",
        )
    records: list[Record] = [Facts(steps=log.planned, rewarded=log.rewarded), *_records(log.entries)]
    steps = [record for record in records if isinstance(record, Step)]
    if not steps:
        raise DataError("the log has no step with a loss", where=str(path), expected="loss and step")
    if log.ended:
        records.append(Ended(steps[-1].step))
    return ForeignRun(records, _unjudged(records, steps, log))


def _state(text: str) -> _Log | None:
    """A `trainer_state.json`."""
    whole = _parsed(text)
    if not isinstance(whole, dict) or not _entries(whole.get("log_history")):
        return None
    return _Log(whole["log_history"], _count(whole.get("max_steps")), done=_count(whole.get("global_step")) or 0)


def _lines(text: str) -> _Log | None:
    """A `trainer_log.jsonl`; its last line may be half written."""
    lines = [_parsed(line) for line in text.splitlines() if line.strip()]
    cut_off = len(lines) > 1 and lines[-1] is None and not text.endswith("\n")
    entries = lines[:-1] if cut_off else lines
    if not entries or not _entries(entries):
        return None
    return _Log(entries, _count(entries[-1].get("total_steps")), cut_off=cut_off)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _entries(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _records(entries: list[Mapping[str, Any]]) -> Iterator[Record]:
    for entry in entries:
        step = _step(entry)
        if step is None:
            continue
        if (loss := _number(entry, "loss")) is not None:
            yield Step(
                step,
                loss,
                _number(entry, "grad_norm"),
                _finite(entry, "learning_rate", "lr"),
                tokens_per_second=_finite(entry, "tokens_per_second", "throughput"),
                epoch=_finite(entry, "epoch"),
            )
        if (loss := _number(entry, "eval_loss")) is not None:
            yield Evaluation(step, loss)


def _step(entry: Mapping[str, Any]) -> int | None:
    step = _finite(entry, "step", "current_steps")
    return None if step is None else int(step)


def _finite(entry: Mapping[str, Any], *names: str) -> float | None:
    value = _number(entry, *names)
    return value if value is not None and math.isfinite(value) else None


def _number(entry: Mapping[str, Any], *names: str) -> float | None:
    return next((_as_float(entry[name]) for name in names if type(entry.get(name)) in (int, float)), None)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _unjudged(records: list[Record], steps: list[Step], log: _Log) -> list[str]:
    """What the records cannot show, a sentence each."""
    said = [
        "forgetting: the log has no general set measured against the base",
        "data (rows, answers, template, languages, leak, loader): the log does not say what was learned from",
    ]
    if log.rewarded:
        said.append(
            "divergence, learning_rate, plateau, under_fitting, over_fitting, throughput: the log is of learning from "
            "rewards, whose losses and answers are new at each step"
        )
    elif not any(isinstance(record, Evaluation) for record in records):
        said.append("over_fitting: the log has no eval_loss")
    if not log.ended:
        said.append("what is judged at the end (under_fitting, rate_too_low): the log does not reach it")
    if log.cut_off:
        said.append("the last line: it was not written to its end")
    if all(step.tokens_per_second is None for step in steps):
        said.append("throughput: the log has no tokens a second")
    if all(step.grad_norm is None for step in steps):
        said.append("spike, frozen: the log has no grad_norm; only the loss was looked at")
    width = (steps[-1].step - steps[0].step) / max(len(steps) - 1, 1)
    if width > 1.0:
        said.append(f"a value stands for about {width:.0f} steps, so windows of n steps are windows of n values")
    if all(math.isfinite(step.loss) for step in steps):
        said.append("non_finite: transformers' logging_nan_inf_filter hides single nan losses (the default)")
    return said
