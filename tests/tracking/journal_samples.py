"""A run's journal as training writes it."""

from __future__ import annotations

from typing import Any

from kamerton.ground.digests import digest
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.records import (
    BaseLineage,
    CodeLineage,
    DataLineage,
    Environment,
    PartLineage,
    RunRecord,
    RunResult,
)

RECIPE: dict[str, Any] = {
    "name": "letters",
    "model": {"base": "tiny-pl"},
    "training": {"epochs": 2.0, "note": "x" * 9000, "odd key(1)": True},
}


def lineage_record(run_id: str) -> RunRecord:
    weights = digest("weights")
    return RunRecord(
        run_id=run_id,
        name="letters",
        recipe=RECIPE,
        recipe_digest=digest(RECIPE),
        data=DataLineage(
            versions={"train": "letters@v3"},
            fingerprint=digest("rows"),
            sources={"letters.jsonl": digest("file")},
            parts={name: PartLineage(rows=7, fingerprint=digest(name)) for name in ("train", "validation", "test")},
        ),
        base=BaseLineage(
            name="tiny-pl",
            weights={"model.safetensors": digest("base")},
            tokenizer=digest("tokenizer"),
            template=digest("template"),
            parameters=100,
            trainable=10,
        ),
        code=CodeLineage(version="0.1.0", revision="abc123"),
        environment=Environment(
            python="3.11",
            platform="Linux",
            device="cpu",
            cpu="a processor",
            instruction_sets=["avx2"],
            capability="AVX2",
            threads=2,
            settings={},
            packages={"torch": "2.13.0"},
        ),
        result=RunResult(
            steps=3,
            tokens=300,
            files={"adapter.safetensors": weights},
            model_sha256=weights,
            trace_head=digest("trace"),
            first_loss=3.0,
            last_loss=1.0,
            seconds=4.0,
            attempts=1,
        ),
        finished="2026-01-02T03:04:05+00:00",
    )


def begin(workspace: Workspace, *followers: str) -> RunFolder:
    """A run that was just started, followed by MLflow or by those named."""
    tracking = {"followers": list(followers) or ["mlflow"], "experiment": None}
    folder = RunFolder.create(workspace.runs, RECIPE | {"tracking": tracking}, "letters")
    folder.event("started")
    return folder


def train(run: RunFolder, first: int, last: int) -> None:
    """Write the journal of the steps from `first` to `last`."""
    for step in range(first, last + 1):
        run.event("step", step=step, loss=3.0 / step, learning_rate=1e-4, grad_norm=1.0, tokens_per_second=5e3)
    run.event("evaluated", step=last, loss=2.5)


def raise_alarm(run: RunFolder, step: int, name: str = "spike") -> None:
    run.event(
        "alarm",
        alarm=name,
        step=step,
        severity="warning",
        symptom="the loss jumped",
        evidence="9.1 after 1.2",
        cause="an outlying batch",
        change="look at the rows",
    )


def finish(run: RunFolder) -> None:
    run.event("finished")
    (run.path / "trace.jsonl").write_text("{}\n", encoding="utf-8")
    lineage_record(run.run_id).write(run.record_file)
