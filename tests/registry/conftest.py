"""A registry on a real MLflow database, whose schema is made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_samples import POLICY, evaluation, good_comparisons, made_model, run_record

from kamerton.ground.settings import Workspace
from kamerton.records.comparison import ComparisonRecord
from kamerton.registry import ModelVersion, Registry, decide


@pytest.fixture
def registry(workspace: Workspace, empty_database: Path) -> Registry:
    from kamerton.tracking import connect

    workspace.ensure()
    shutil.copyfile(empty_database, workspace.home / "mlflow.db")
    return Registry(workspace, connect(workspace))


@pytest.fixture
def register(registry: Registry, tmp_path: Path) -> Callable[..., ModelVersion]:
    """Registers a model with all the evidence that `POLICY` asks for."""

    def do(run_id: str, comparisons: list[ComparisonRecord] | None = None) -> ModelVersion:
        made = tmp_path / "made" / run_id
        model = made_model(made / "model", weights=run_id)
        run = run_record(model, run_id)
        found = good_comparisons() if comparisons is None else comparisons
        records = {
            "record": run,
            "decision": decide(found, POLICY, run.result.model_sha256),
            **{f"comparison-{record.set_name}": record for record in found},
            **{
                f"evaluation-{name}-{record.set_name}": evaluation(name, record.set_name)
                for record in found
                for name in record.evaluations
            },
        }
        for name, record in records.items():
            record.write(made / f"{name}.json")
        return registry.register("letters", run, model, sorted(made.glob("*.json")))

    return do
