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


def read_foreign(path: Path) -> ForeignRun:
    """Read a log of a finished or running training.

    Raises:
        RequestError: there is no such file.
        DataError: it is neither of the two kinds, or has no step in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the file cannot be read: {error}", where=str(path)) from error
    lines, planned = _lines(text, path)
    records: list[Record] = [Facts(steps=planned)]
    records += _records(lines)
    steps = [record for record in records if isinstance(record, Step)]
    if not steps:
        raise DataError("the log has no step with a loss", where=str(path), expected="loss and step")
    if planned is None or steps[-1].step >= planned:
        records.append(Ended(steps[-1].step))
    return ForeignRun(records, _unjudged(records, steps))


def _lines(text: str, path: Path) -> tuple[list[Mapping[str, Any]], int | None]:
    """The log's entries, and the steps that were planned."""
    wrong = DataError(
        "not a log of a training",
        where=str(path),
        expected="transformers' trainer_state.json or LLaMA-Factory's trainer_log.jsonl",
    )
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and "log_history" in whole:
        lines, planned = whole["log_history"], whole.get("max_steps")
    else:
        try:
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise wrong from None
        planned = lines[-1].get("total_steps") if lines and isinstance(lines[-1], dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise wrong
    return lines, int(planned) if isinstance(planned, int) and planned > 0 else None


def _records(lines: list[Mapping[str, Any]]) -> Iterator[Record]:
    for line in lines:
        step = _value(line, "step", "current_steps")
        if step is None:
            continue
        if (loss := _value(line, "loss")) is not None:
            yield Step(
                int(step),
                loss,
                _value(line, "grad_norm"),
                _value(line, "learning_rate", "lr"),
                tokens_per_second=_value(line, "tokens_per_second", "throughput"),
                epoch=_value(line, "epoch"),
            )
        if (loss := _value(line, "eval_loss")) is not None:
            yield Evaluation(int(step), loss)


def _value(line: Mapping[str, Any], *names: str) -> float | None:
    return next((float(line[name]) for name in names if _is_number(line.get(name))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unjudged(records: list[Record], steps: list[Step]) -> list[str]:
    """What the records cannot show, a sentence each."""
    said = [
        "forgetting: the log has no general set measured against the base",
        "data (rows, answers, template, languages, leak, loader): the log does not say what was learned from",
    ]
    if not any(isinstance(record, Evaluation) for record in records):
        said.append("over_fitting: the log has no eval_loss")
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
