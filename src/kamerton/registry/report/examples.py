"""The worst answers of the model: what a reader should see before trusting a mean."""

from __future__ import annotations

from typing import Any

from kamerton.records.evaluation import EvaluationRecord, ItemResult
from kamerton.registry.report.inputs import ReportInputs
from kamerton.registry.report.results import candidate_of, latest, primary_metric, primary_set

__all__ = ["worst_examples"]

_SHOWN = 10
_CHARACTERS = 2000
"""Longest text shown of a prompt, an expected answer or a given one; what is left out is counted."""


def worst_examples(inputs: ReportInputs) -> dict[str, Any] | None:
    """The worst items of the verdict's set by the primary metric, ties broken by the others; None without answers."""
    name = primary_set(inputs)
    record = latest(inputs).get((name, candidate_of(inputs))) if name else None
    if record is None or not any(item.prediction is not None for item in record.items):
        return None
    metrics = sorted(record.metrics, key=lambda metric: metric != primary_metric(inputs))
    answered = [(index, item) for index, item in enumerate(record.items, start=1) if item.prediction is not None]
    answered.sort(key=lambda pair: _badness(record, pair[1], metrics))
    shown = answered[:_SHOWN]
    return {
        "set": name,
        "metric": metrics[0] if metrics else None,
        "of": len(answered),
        "items": [_example(index, item, metrics) for index, item in shown],
    }


def _badness(record: EvaluationRecord, item: ItemResult, metrics: list[str]) -> tuple[float, ...]:
    """Sorts the worst first; an unmeasured value is no fault."""
    key = []
    for metric in metrics:
        value = item.values.get(metric)
        sign = 1.0 if record.metrics[metric].better == "higher" else -1.0
        key.append(sign * value if value is not None else float("inf"))
    return tuple(key)


def _example(index: int, item: ItemResult, metrics: list[str]) -> dict[str, Any]:
    return {
        "item": index,
        "row_hash": item.row_hash,
        "category": item.category,
        "prompt": _clipped(item.prompt),
        "expected": _clipped(item.reference),
        "got": _clipped(item.prediction or ""),
        "finished": item.finished,
        "label": item.label,
        "reference_label": item.reference_label,
        "values": {metric: item.values.get(metric) for metric in metrics},
    }


def _clipped(text: str) -> dict[str, Any]:
    return {"text": text[:_CHARACTERS], "left_out": max(0, len(text) - _CHARACTERS)}
