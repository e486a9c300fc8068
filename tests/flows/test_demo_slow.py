"""`kamerton demo` as a newcomer runs it: the packaged data, the packaged base, one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.digests import file_digest
from kamerton.models.locate import PACKAGED, locate

pytestmark = pytest.mark.slow

BASE = Path(__file__).parents[2] / "src" / "kamerton" / "models" / "base" / PACKAGED[0]
MISSING = [name for name in ("model.safetensors", "record.json") if not (BASE / name).exists()]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of the demo, with its exit code and what it said to people."""
    if MISSING:
        pytest.skip(f"the packaged base model is not complete: {', '.join(MISSING)} of {BASE} is not there")
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "demo", "desk", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
        timeout=1800,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout) | {"exit_code": done.returncode, "told": done.stderr}


def test_the_demo_ends_well(tour: dict[str, Any]) -> None:
    assert tour["exit_code"] == 0, tour["told"]
    assert "inside Kamerton" not in tour["told"]


def test_the_tuned_model_beats_both_baselines(tour: dict[str, Any]) -> None:
    assert tour["gate"]["verdict"] == "pass"
    beaten = {reason["baseline"] for reason in tour["gate"]["reasons"] if reason["rule"] == "primary"}
    assert beaten == {"base", "few_shot"}
    assert tour["promoted"]


@pytest.mark.parametrize("model", ["tuned", "base", "few_shot"])
def test_every_metric_has_its_interval(model: str, tour: dict[str, Any]) -> None:
    metrics = tour["metrics"][model]
    assert {"accuracy", "macro_f1", "token_f1", "perplexity"} <= metrics.keys()
    for name, found in metrics.items():
        assert found["low"] <= found["value"] <= found["high"], name
        assert found["n_items"] > 50, name


def test_the_rebuild_gave_the_same_bytes(tour: dict[str, Any]) -> None:
    assert tour["rebuild"]["identical"]
    assert tour["rebuild"]["rebuilt_sha256"] == tour["model_sha256"]
    model = Path(tour["folder"]) / ".kamerton" / "runs" / tour["run_id"] / "model" / "adapter_model.safetensors"
    assert file_digest(model) == tour["model_sha256"]


def test_the_report_is_one_polish_file_without_a_network(tour: dict[str, Any]) -> None:
    html = Path(tour["report"]).read_text(encoding="utf-8")
    assert '<html lang="pl"' in html
    for loading in ('src="http', "src='http", 'rel="stylesheet"', "@import", "url(http"):
        assert loading not in html


def test_the_project_is_a_git_repository_with_a_recipe(tour: dict[str, Any]) -> None:
    folder = Path(tour["folder"])
    assert (folder / ".git").is_dir()
    assert (folder / "recipe.yaml").is_file()
    assert (folder / "datasets" / "letters.json").is_file()
    ignored = subprocess.run(["git", "check-ignore", ".kamerton/mlflow.db"], cwd=folder, check=False)
    assert ignored.returncode == 0


def test_mlflow_holds_the_run(tour: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "sync", tour["run_id"], "--json"],
        cwd=tour["folder"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[tour["run_id"]]["state"] == "in step"


def test_the_packaged_base_is_the_one_that_its_record_describes() -> None:
    if MISSING:
        pytest.skip(f"the packaged base model is not complete: {', '.join(MISSING)} is not there")
    record = json.loads((BASE / "record.json").read_text(encoding="utf-8"))
    assert record["result"]["model_sha256"] == locate(PACKAGED[0], Path()).weights["model.safetensors"]
