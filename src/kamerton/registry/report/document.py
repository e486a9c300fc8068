"""The report as data: everything that is shown, taken from records, without a language and without a clock."""

from __future__ import annotations

from typing import Any

from kamerton.records.decision import Decision, Reason
from kamerton.registry.report.curves import training_curves
from kamerton.registry.report.examples import worst_examples
from kamerton.registry.report.inputs import ReportInputs
from kamerton.registry.report.results import candidate_of, evaluation_results, primary_metric

__all__ = ["build_document"]

_FINDINGS_SHOWN = 5
"""Findings listed of each kind; the data report has all."""


def build_document(inputs: ReportInputs) -> dict[str, Any]:
    """The JSON view: a pure function of the records, so equal records give equal reports.

    Shares are fractions, times seconds, losses nats per token; a number that cannot be computed is None. `missing`
    names each part that has no record yet with the command that makes it, `doubts` where records do not fit together.
    """
    run = inputs.run
    doubts = _doubts(inputs)
    decision = inputs.decision
    return {
        "kind": "report",
        "schema_version": 1,
        "name": run.name,
        "run_id": run.run_id,
        "finished": run.finished,
        "model_sha256": run.result.model_sha256,
        "candidate": candidate_of(inputs),
        "primary_metric": primary_metric(inputs),
        "decision": _decision(decision, inputs) if decision else None,
        "evaluation": evaluation_results(inputs) if inputs.evaluations or inputs.comparisons else None,
        "examples": worst_examples(inputs),
        "training": training_curves(inputs),
        "data": _data(inputs),
        "lineage": {
            "data": run.data.model_dump(mode="json"),
            "base": run.base.model_dump(mode="json"),
            "code": run.code.model_dump(mode="json"),
            "recipe": run.recipe,
            "recipe_digest": run.recipe_digest,
            "result": run.result.model_dump(mode="json"),
        },
        "environment": run.environment.model_dump(mode="json") | {"class_digest": run.environment.class_digest},
        "rebuild": inputs.rebuild.model_dump(mode="json") if inputs.rebuild else None,
        "rebuild_command": f"kamerton rebuild {run.run_id}",
        "missing": _missing(inputs),
        "doubts": doubts,
        "records": _records(inputs),
    }


def _decision(decision: Decision, inputs: ReportInputs) -> dict[str, Any]:
    """The decision; its verdict counts only for these weights."""
    return {
        "verdict": decision.verdict if decision.model_sha256 == inputs.run.result.model_sha256 else None,
        "alpha": decision.policy.get("alpha"),
        "reasons": [reason.model_dump(mode="json") | _terms_of(reason, inputs) for reason in decision.reasons],
        "policy": decision.policy,
    }


def _terms_of(reason: Reason, inputs: ReportInputs) -> dict[str, Any]:
    """Scale, direction and level of the comparison behind a reason; None where it is not at hand."""
    for comparison in inputs.comparisons:
        entry = comparison.entry(reason.metric, reason.baseline)
        if comparison.set_name == reason.set_name and entry is not None:
            return {"scale": entry.scale, "better": entry.better, "confidence": comparison.confidence}
    return {"scale": None, "better": None, "confidence": None}


def _data(inputs: ReportInputs) -> dict[str, Any] | None:
    report = inputs.data
    if report is None:
        return None
    kinds: dict[str, list[dict[str, Any]]] = {}
    for finding in report.findings:
        kinds.setdefault(finding.kind, []).append(finding.model_dump(mode="json"))
    return {
        **report.model_dump(mode="json", exclude={"kind", "schema_version", "findings"}),
        "findings": [
            {
                "kind": kind,
                "count": len(found),
                "errors": sum(each["severity"] == "error" for each in found),
                "shown": found[:_FINDINGS_SHOWN],
            }
            for kind, found in sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        ],
    }


def _missing(inputs: ReportInputs) -> list[dict[str, str]]:
    run_id = inputs.run.run_id
    parts = {
        "data": (inputs.data is None, "kamerton check RECIPE"),
        "evaluation": (not inputs.evaluations, f"kamerton evaluate {run_id} --on test"),
        "comparison": (not inputs.comparisons, f"kamerton compare {run_id} base --on test"),
        "decision": (inputs.decision is None, f"kamerton compare {run_id} base --on test"),
        "rebuild": (inputs.rebuild is None, f"kamerton rebuild {run_id}"),
    }
    return [{"part": part, "command": command} for part, (absent, command) in parts.items() if absent]


def _doubts(inputs: ReportInputs) -> list[str]:
    """Codes of what does not fit together; a report must not hide it."""
    result, decision, rebuild = inputs.run.result, inputs.decision, inputs.rebuild
    compared = {comparison.set_name: comparison.digest for comparison in inputs.comparisons}
    measured = {(record.set_name, record.model): record.digest for record in inputs.evaluations}
    doubts = {
        "decision_of_other_weights": decision is not None and decision.model_sha256 != result.model_sha256,
        "decision_of_other_comparisons": decision is not None
        and bool(compared)
        and any(compared.get(name) != value for name, value in decision.comparisons.items()),
        "comparison_of_other_evaluations": any(
            measured.get((comparison.set_name, model), value) != value
            for comparison in inputs.comparisons
            for model, value in comparison.evaluations.items()
        ),
        "trace_of_other_run": bool(inputs.trace) and inputs.trace[-1].hash != result.trace_head,
        "rebuild_of_other_weights": rebuild is not None and rebuild.recorded_sha256 != result.model_sha256,
        "data_of_other_run": inputs.data is not None and inputs.data.fingerprint != inputs.run.data.fingerprint,
    }
    return [code for code, holds in doubts.items() if holds]


def _records(inputs: ReportInputs) -> list[dict[str, str]]:
    """What the report was made from, by digest."""
    named = [("run", inputs.run.run_id, inputs.run.digest)]
    if inputs.data is not None:
        named.append(("data_report", "", inputs.data.digest))
    named += [("evaluation", f"{record.model} / {record.set_name}", record.digest) for record in inputs.evaluations]
    named += [("comparison", record.set_name, record.digest) for record in inputs.comparisons]
    if inputs.decision is not None:
        named.append(("decision", "", inputs.decision.digest))
    if inputs.rebuild is not None:
        named.append(("rebuild", "", inputs.rebuild.digest))
    return [{"kind": kind, "of": of, "digest": value} for kind, of, value in named]
