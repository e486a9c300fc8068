"""Records of a small model that was trained, evaluated and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kamerton.ground.digests import digest, folder_digests
from kamerton.recipe import GateSection, Guard, Primary
from kamerton.records import (
    BaseLineage,
    CodeLineage,
    DataLineage,
    Environment,
    PartLineage,
    RunRecord,
    RunResult,
)
from kamerton.records.comparison import ComparisonRecord, MetricComparison
from kamerton.records.evaluation import EvaluationRecord

POLICY = GateSection(
    primary=Primary(metric="token_f1", better_than=["base", "few_shot"]),
    guards=[Guard(metric="perplexity", on="general", margin=0.02)],
)


def entry(metric: str = "token_f1", baseline: str = "base", **changes: Any) -> MetricComparison:
    """A clear gain on a share, or (`perplexity`) a loss of half a percent that is well measured."""
    relative = metric == "perplexity"
    fields: dict[str, Any] = {
        "metric": metric,
        "baseline": baseline,
        "better": "lower" if relative else "higher",
        "scale": "relative" if relative else "absolute",
        "candidate_value": 20.1 if relative else 0.62,
        "baseline_value": 20.0 if relative else 0.41,
        "difference": 0.005 if relative else 0.21,
        "low": -0.004 if relative else 0.15,
        "high": 0.014 if relative else 0.27,
        "method": "bca",
        "gain": -0.005 if relative else 0.21,
        "gain_standard_error": 0.004 if relative else 0.03,
        "test": "paired_permutation",
        "p_value": 0.3 if relative else 0.0002,
        "p_adjusted": 0.3 if relative else 0.0006,
        "minimum_detectable_effect": 0.012 if relative else 0.08,
        "wins": 60,
        "losses": 20,
        "ties": 20,
        "n_items": 100,
        "n_clusters": 80,
        "verdict": "no difference shown" if relative else "better",
    }
    return MetricComparison(**fields | changes)


def evaluation(model: str, set_name: str = "test") -> EvaluationRecord:
    return EvaluationRecord(
        model=model,
        set_name=set_name,
        set_fingerprint=digest(set_name),
        options_digest=digest("options"),
        label=None,
        form=None,
        max_new_tokens=16,
        confidence=0.95,
        resamples=2000,
        seed=42,
        left_out=0,
        cut_off=0,
        n_clusters=80,
        metrics={},
        items=[],
    )


def comparison(entries: list[MetricComparison], set_name: str = "test") -> ComparisonRecord:
    names = ["letters", "base", "few_shot"]
    return ComparisonRecord(
        candidate="letters",
        baselines=["base", "few_shot"],
        evaluations={name: evaluation(name, set_name).digest for name in names},
        set_name=set_name,
        set_fingerprint=digest(set_name),
        alpha=0.05,
        power=0.8,
        confidence=0.95,
        resamples=2000,
        seed=42,
        n_tests=len(entries),
        entries=entries,
    )


def good_comparisons() -> list[ComparisonRecord]:
    """What `POLICY` asks for, passed."""
    return [comparison([entry(), entry(baseline="few_shot")]), comparison([entry("perplexity")], "general")]


def made_model(folder: Path, weights: str = "weights") -> Path:
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_text(weights)
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return folder


def run_record(model: Path, run_id: str = "letters-1") -> RunRecord:
    files = folder_digests(model)
    recipe = {"name": "letters", "gate": POLICY.model_dump(mode="json")}
    return RunRecord(
        run_id=run_id,
        name="letters",
        recipe=recipe,
        recipe_digest=digest(recipe),
        data=DataLineage(
            versions={"train": "letters@v1"},
            fingerprint=digest("rows"),
            sources={},
            parts={"train": PartLineage(rows=1, fingerprint=digest("train"))},
        ),
        base=BaseLineage(
            name="tiny-pl",
            weights={},
            tokenizer=digest("tokenizer"),
            template=digest("template"),
            parameters=100,
            trainable=10,
        ),
        code=CodeLineage(version="0.1.0"),
        environment=Environment(
            python="3.11",
            platform="Linux",
            device="cpu",
            cpu="a processor",
            instruction_sets=[],
            capability="AVX2",
            threads=2,
            settings={},
            packages={},
        ),
        result=RunResult(
            steps=1,
            tokens=1,
            files=files,
            model_sha256=files["adapter_model.safetensors"],
            trace_head=digest("trace"),
            first_loss=2.0,
            last_loss=1.0,
            seconds=1.0,
            attempts=1,
        ),
        finished="2026-01-02T03:04:05+00:00",
    )
