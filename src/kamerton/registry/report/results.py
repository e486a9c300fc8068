"""What the evaluations and comparisons say, arranged by set, model and category."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kamerton.records.comparison import ComparisonRecord
from kamerton.records.evaluation import EvaluationRecord, ItemResult, MetricResult
from kamerton.registry.report.inputs import ReportInputs

__all__ = ["candidate_of", "category_metric", "evaluation_results", "latest", "primary_metric", "primary_set"]

_BASELINES = ("base", "few_shot")


def candidate_of(inputs: ReportInputs) -> str:
    """Name of the model in the evaluations: the comparison's candidate, or the one that is no baseline."""
    if inputs.comparisons:
        return inputs.comparisons[0].candidate
    names = [record.model for record in inputs.evaluations if record.model not in _BASELINES]
    own = {inputs.run.run_id, inputs.run.name}
    return next((name for name in names if name in own), names[0] if names else inputs.run.name)


def latest(inputs: ReportInputs) -> dict[tuple[str, str], EvaluationRecord]:
    """The evaluation that counts, by set and model; the candidate first, then in the order given."""
    candidate = candidate_of(inputs)
    found = {(record.set_name, record.model): record for record in inputs.evaluations}
    return dict(sorted(found.items(), key=lambda pair: pair[0][1] != candidate))


def primary_metric(inputs: ReportInputs) -> str | None:
    """The metric that the gate decides on, if it was measured; else the first that was; None without evaluations."""
    measured = list(dict.fromkeys(name for record in inputs.evaluations for name in record.metrics))
    policy = inputs.decision.policy if inputs.decision else inputs.run.recipe.get("gate") or {}
    wanted = (policy.get("primary") or {}).get("metric")
    return wanted if wanted in measured else next(iter(measured), None)


def primary_set(inputs: ReportInputs) -> str | None:
    """The set of the verdict: `test`, or the first that the candidate was measured on."""
    candidate = candidate_of(inputs)
    names = [record.set_name for record in inputs.evaluations if record.model == candidate]
    return "test" if "test" in names else next(iter(names), None)


def evaluation_results(inputs: ReportInputs) -> dict[str, Any]:
    """All sets, the verdict's first; in each the models with their metrics, and the comparison."""
    records = latest(inputs)
    compared = {comparison.set_name: comparison for comparison in inputs.comparisons}
    names = dict.fromkeys([*(name for name, _ in records), *compared])
    first = primary_set(inputs)
    ordered = sorted(names, key=lambda name: name != first)
    return {
        "sets": [
            _set(name, [record for (owner, _), record in records.items() if owner == name], compared.get(name))
            for name in ordered
        ],
        "categories": _categories(inputs),
    }


def _set(name: str, records: Sequence[EvaluationRecord], comparison: ComparisonRecord | None) -> dict[str, Any]:
    return {
        "name": name,
        "models": [_model(record) for record in records],
        "comparison": comparison.model_dump(mode="json", exclude={"kind", "schema_version"}) if comparison else None,
    }


def _model(record: EvaluationRecord) -> dict[str, Any]:
    return {
        "model": record.model,
        "n_items": len(record.items),
        "n_clusters": record.n_clusters,
        "left_out": record.left_out,
        "cut_off": record.cut_off,
        "contaminated": record.contaminated,
        "shots_used": record.shots_used,
        "confidence": record.confidence,
        "set_fingerprint": record.set_fingerprint,
        "metrics": _metrics(record.metrics),
        "subsets": {subset: _metrics(metrics) for subset, metrics in record.subsets.items()},
    }


def _metrics(metrics: Mapping[str, MetricResult]) -> dict[str, Any]:
    return {name: metric.model_dump(mode="json") for name, metric in metrics.items()}


def category_metric(record: EvaluationRecord, primary: str | None) -> str | None:
    """A metric whose value in one category means something.

    Macro-F1 averages over labels, which are often the categories themselves: the share of right labels stands for it.
    """
    if primary in record.metrics and primary not in ("macro_f1", None):
        return primary
    return next((name for name in record.metrics if name != "macro_f1"), None)


def _categories(inputs: ReportInputs) -> dict[str, Any] | None:
    """The category metric in each category of the verdict's set, by model; None with fewer than two."""
    name, candidate = primary_set(inputs), candidate_of(inputs)
    records = [record for (owner, _), record in latest(inputs).items() if owner == name]
    own = next((record for record in records if record.model == candidate), None)
    metric = category_metric(own, primary_metric(inputs)) if own else None
    if own is None or metric is None:
        return None
    values = {record.model: _by_category(record, metric) for record in records if metric in record.metrics}
    sign = 1.0 if own.metrics[metric].better == "higher" else -1.0
    best_first = sorted(values[candidate].items(), key=lambda pair: (-sign * (pair[1][0] or 0.0), pair[0]))
    rows = [
        {
            "category": category,
            "n_items": n_items,
            "values": {model: by.get(category, (None, 0))[0] for model, by in values.items()},
        }
        for category, (_, n_items) in best_first
    ]
    if len(rows) < 2:
        return None
    return {"metric": metric, "better": own.metrics[metric].better, "set": name, "rows": rows}


def _by_category(record: EvaluationRecord, metric: str) -> dict[str, tuple[float | None, int]]:
    """Value and number of measured items of each category."""
    groups: dict[str, list[ItemResult]] = {}
    for item in record.items:
        if item.values.get(metric) is not None:
            groups.setdefault(item.category, []).append(item)
    return {category: (_value(items, metric), len(items)) for category, items in groups.items()}


def _value(items: Sequence[ItemResult], metric: str) -> float | None:
    if metric == "perplexity":
        tokens = sum(item.tokens or 0 for item in items)
        return math.exp(sum(item.nll or 0.0 for item in items) / tokens) if tokens else None
    return sum(item.values[metric] or 0.0 for item in items) / len(items)
