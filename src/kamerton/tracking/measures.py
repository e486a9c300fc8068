"""What every tracker is told of an event: finite numbers by part and name, alarms as one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from kamerton.records import RunRecord

__all__ = ["Measure", "alarm_name", "alarm_sentence", "lineage", "measures", "seconds_of"]

_STEP = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_mib", "seconds", "epoch")
_EVALUATED = ("loss",)


class Measure(NamedTuple):
    """One number of one step."""

    part: Literal["train", "eval"]
    name: str
    value: float


def measures(event: Mapping[str, Any]) -> Iterator[Measure]:
    """The numbers of a `step` or `evaluated` event; those that are absent or not finite are left out.

    What an objective measures besides stands in `metrics`; such a metric never takes the name of a number of the run.
    """
    kind = event.get("kind")
    if kind not in {"step", "evaluated"} or not _is_number(event.get("step")):
        return
    part: Literal["train", "eval"] = "train" if kind == "step" else "eval"
    names = _STEP if kind == "step" else _EVALUATED
    extra = event.get("metrics")
    others = extra if isinstance(extra, Mapping) else {}
    for name, value in {**others, **{name: event.get(name) for name in names}}.items():
        if _is_number(value):
            yield Measure(part, name, float(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def alarm_name(event: Mapping[str, Any]) -> str:
    """Which alarm an `alarm` event is of, such as `spike`."""
    return str(event.get("alarm") or "alarm")


def alarm_sentence(event: Mapping[str, Any]) -> str:
    """An `alarm` event as people read it: `warning at step 40: ...; likely cause: ...; change: ...`."""
    parts = [str(event[key]) for key in ("symptom", "evidence") if event.get(key)]
    advice = (("cause", "likely cause"), ("change", "change"))
    parts += [f"{name}: {event[key]}" for key, name in advice if event.get(key)]
    where = f" at step {event['step']}" if event.get("step") is not None else ""
    return f"{event.get('severity') or 'alarm'}{where}: {'; '.join(parts)}"


def seconds_of(event: Mapping[str, Any]) -> float:
    """When the event was written, in seconds since 1970; 0 where it does not say."""
    try:
        return datetime.fromisoformat(str(event["time"])).timestamp()
    except (KeyError, ValueError):
        return 0.0


def lineage(record: RunRecord) -> dict[str, str]:
    """What a finished run's numbers rest on, by digest."""
    return {
        "version": record.code.version,
        "data_fingerprint": record.data.fingerprint,
        "base": record.base.name,
        "model_sha256": record.result.model_sha256,
        "trace_head": record.result.trace_head,
        "machine_class": record.environment.class_digest,
    }
