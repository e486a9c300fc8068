"""Promotion with real runs: refused with reasons, allowed with evidence, taken back, and damage found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kamerton import TrainingMonitor
from tiny_project import Finished, kamerton


@pytest.fixture
def project(finished: Finished, tmp_path: Path) -> Finished:
    return finished.copy(tmp_path / "p")


def _second_version(project: Finished, *overrides: str) -> str:
    words = ["train", "recipe.yaml", "training.max_steps=1", *overrides, "--json"]
    run_id: str = kamerton(project.root, *words).document["run_id"]
    return run_id


def test_a_gate_that_says_no_is_told_with_its_numbers(project: Finished) -> None:
    run_id = _second_version(project, "gate.primary.metric=accuracy")
    assert kamerton(project.root, "compare", run_id).code == 0
    assert kamerton(project.root, "registry", "add", run_id, "--json").document["version"] == 2
    done = kamerton(project.root, "registry", "promote", "tiny@2", "--to", "production", "--json")
    assert done.code == 1
    assert "accuracy on test, against base (24 items, 24 clusters): 0 and 0, difference +0.000" in done.document["what"]
    aliases = {v["version"]: v["aliases"] for v in kamerton(project.root, "registry", "list", "--json").document}
    assert aliases == {1: ["staging"], 2: ["candidate"]}


def test_a_recipe_without_a_gate_is_registered_and_never_promoted(project: Finished) -> None:
    run_id = _second_version(project, "gate=null")
    assert kamerton(project.root, "registry", "add", run_id).code == 0
    done = kamerton(project.root, "registry", "promote", "tiny@candidate", "--to", "staging")
    assert done.code == 1
    assert "the recipe has no gate" in done.err


def test_an_alias_goes_forward_and_back(project: Finished) -> None:
    run_id = _second_version(project, "training.max_steps=18")
    for words in (["compare", run_id], ["registry", "add", run_id]):
        assert kamerton(project.root, *words).code == 0
    done = kamerton(project.root, "registry", "promote", "tiny@2", "--to", "staging")
    assert done.code == 0, done.err
    assert "staging: version 1 -> 2" in done.out
    assert done.out.startswith("yes  perplexity on test, against base")
    back = kamerton(project.root, "registry", "rollback", "tiny@staging", "--reason", "it was too polite", "--json")
    assert (back.document["before"], back.document["after"]) == (2, 1)
    assert back.document["reason"] == "it was too polite"


def test_registering_twice_is_one_version(project: Finished) -> None:
    assert kamerton(project.root, "registry", "add", "last", "--json").document["version"] == 1
    assert len(kamerton(project.root, "registry", "list", "--json").document) == 1


def _flip(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)


def test_a_changed_model_file_is_found_by_verify_and_by_the_monitor(project: Finished) -> None:
    _flip(project.run / "model" / "adapter_model.safetensors")
    assert TrainingMonitor(project.run_id, project.workspace).validate_results() == [
        "model/adapter_model.safetensors was changed or removed after the run"
    ]
    assert kamerton(project.root, "registry", "verify", "tiny@1").code == 0, "the registry has a copy of its own"
    (kept,) = project.workspace.artifacts.glob("models/tiny/*/model/adapter_model.safetensors")
    _flip(kept)
    done = kamerton(project.root, "registry", "verify", "tiny@staging", "--json")
    assert done.code == 1
    (problem,) = done.document["problems"]
    assert problem.endswith("adapter_model.safetensors: a file of the model was changed: its SHA-256 is another one")
    assert kamerton(project.root, "registry", "promote", "tiny@1", "--to", "production").code == 3


def test_changed_evidence_is_found_and_closes_the_gate(project: Finished) -> None:
    (kept,) = project.workspace.artifacts.glob("models/tiny/*/evidence/*/comparison-test.json")
    document = json.loads(kept.read_text(encoding="utf-8"))
    document["entries"][0]["verdict"] = "better"
    kept.write_text(json.dumps(document), encoding="utf-8")
    found = kamerton(project.root, "registry", "verify", "tiny@1", "--json")
    assert found.code == 1
    assert found.document["problems"] == ["comparison-test.json was changed after it was sealed"]
    done = kamerton(project.root, "registry", "promote", "tiny@1", "--to", "production")
    assert (done.code, "was changed after it was sealed" in done.err) == (1, True)


def test_the_evidence_takes_a_later_rebuild_in(project: Finished) -> None:
    before = kamerton(project.root, "registry", "show", "tiny@1", "--json").document["evidence"]
    assert "rebuild.json" not in before
    assert kamerton(project.root, "registry", "add", "last").code == 0
    after = kamerton(project.root, "registry", "show", "tiny@1", "--json").document["evidence"]
    assert after.keys() - before.keys() == {"rebuild.json"}
    assert kamerton(project.root, "registry", "promote", "tiny@1", "--to", "production").code == 0
