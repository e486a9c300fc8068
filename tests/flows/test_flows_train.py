"""Train and resume: what stops a run before its first step, and what is left of it."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import kamerton.flows.train as flow
from kamerton.flows.rebuild import rebuild
from kamerton.flows.train import load_recipe, resume, train
from kamerton.ground.errors import KamertonError, MachineError, RecipeError, StorageError, VerdictError
from kamerton.ground.settings import Workspace
from kamerton.journal import find_run, list_runs, read_events
from tiny_project import kamerton, write_project


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    write_project(tmp_path, tiny_base)
    monkeypatch.chdir(tmp_path)
    return Workspace.at(tmp_path)


def test_a_wrong_recipe_needs_no_heavy_package(project: Workspace) -> None:
    """A typo is told in a tenth of a second."""
    import subprocess
    import sys

    code = (
        "import sys\nfrom kamerton.cli.main import main\n"
        "code = main(['train', 'recipe.yaml', 'training.epoch=1'])\n"
        "assert main(['check', 'recipe.yaml', '--explain']) == 0\n"
        "print(code, sorted({'torch', 'transformers', 'mlflow', 'lance', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project.root, check=True)
    assert done.stdout.splitlines()[-1] == "2 []"


def test_a_base_that_is_not_there_makes_no_run(project: Workspace) -> None:
    with pytest.raises(RecipeError, match="no such model"):
        train("recipe.yaml", project, overrides=["model.base=bas"])
    assert list_runs(project) == []
    assert not project.datasets.exists()


def test_a_failed_data_check_makes_no_run(project: Workspace) -> None:
    with pytest.raises(VerdictError, match="the data check failed: the test part has 24 rows"):
        train("recipe.yaml", project, overrides=["data.check.min_test_rows=30"])
    assert list_runs(project) == []


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method.targets=[q_prj]"], "the model has no linear layer q_prj"),
        (["model.chat_template=chatml", "training.compute.device=cuda"], "there is no CUDA GPU here"),
    ],
)
def test_a_run_that_fails_before_its_first_step_says_so(overrides: list[str], told: str, project: Workspace) -> None:
    import torch

    if "training.compute.device=cuda" in overrides and torch.cuda.is_available():
        pytest.skip("there is a CUDA GPU here")
    with pytest.raises(KamertonError, match=told):
        train("recipe.yaml", project, overrides=overrides)
    run = find_run(project, "last")
    assert run.state == "failed"
    assert told in read_events(run.path)[-1]["reason"]


def test_a_stopped_run_is_resumed_by_hand(project: Workspace) -> None:
    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == 3:
            find_run(project, "last").request_stop()

    with pytest.raises(KamertonError, match="stopped at step 3 of 8; a checkpoint is saved") as stopped:
        train("recipe.yaml", project, overrides=["training.max_steps=8"], on_progress=stop)
    run = find_run(project, "last")
    assert stopped.value.mend == f"kamerton train --resume {run.run_id}"
    assert run.state == "stopped"
    record = resume("last", project)
    assert (record.run_id, record.result.steps, record.result.attempts) == (run.run_id, 8, 2)


def test_a_run_that_went_on_otherwise_says_so(project: Workspace) -> None:
    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == 3:
            find_run(project, "last").request_stop()

    told: list[str] = []
    with pytest.raises(KamertonError, match="stopped at step 3"):
        train("recipe.yaml", project, overrides=["training.max_steps=8"], on_progress=stop)
    events = find_run(project, "last").path / "events.jsonl"
    torch, ours = metadata.version("torch"), metadata.version("kamerton")
    text = events.read_text(encoding="utf-8").replace(f'"torch":"{torch}"', '"torch":"1.0"')
    events.write_text(text.replace(f'"version":"{ours}"', '"version":"0.0"'), encoding="utf-8")
    record = resume("last", project, on_progress=lambda event: told.append(event.get("notice", "")))
    expected = [
        f"attempt 1 of 2: code: version '0.0', in the last attempt '{ours}'",
        f"attempt 1 of 2: torch: recorded '1.0', here '{torch}'",
    ]
    assert record.attempts_unlike == expected
    assert any("goes on otherwise than it began" in notice and "'0.0'" in notice for notice in told)
    with pytest.raises(MachineError, match="attempt 1 of 2: torch"):
        rebuild("last", project)
    assert rebuild("last", project, anyway=True).identical


def test_a_run_that_lost_its_data_is_not_resumed(project: Workspace) -> None:
    def stop(event: dict[str, Any]) -> None:
        find_run(project, "last").request_stop()

    with pytest.raises(KamertonError):
        train("recipe.yaml", project, on_progress=stop)
    (find_run(project, "last").path / "data_lineage.json").unlink()
    done = kamerton(project.root, "train", "--resume", "last")
    assert (done.code, "no DataLineage here" in done.err) == (3, True)


def test_a_resolved_recipe_can_be_trained(project: Workspace) -> None:
    resolved = load_recipe("recipe.yaml", ["training.max_steps=1"])
    record = train(resolved, project)
    assert record.recipe_digest == resolved.digest
    assert json.loads((project.runs / record.run_id / "recipe.json").read_text(encoding="utf-8")) == record.recipe


def test_a_run_whose_recipe_was_edited_does_not_go_on(project: Workspace) -> None:
    def stop(event: dict[str, Any]) -> None:
        find_run(project, "last").request_stop()

    with pytest.raises(KamertonError, match="stopped"):
        train("recipe.yaml", project, overrides=["training.max_steps=8"], on_progress=stop)
    recipe = find_run(project, "last").path / "recipe.json"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace('"learning_rate":0.01', '"learning_rate":0.02'), encoding="utf-8")
    with pytest.raises(StorageError, match="recipe was changed since the run began"):
        resume("last", project)
    recipe.write_text(text, encoding="utf-8")
    assert resume("last", project).result.steps == 8


def test_a_run_is_held_from_the_beginning_of_a_resumption(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(event: dict[str, Any]) -> None:
        find_run(project, "last").request_stop()

    with pytest.raises(KamertonError, match="stopped"):
        train("recipe.yaml", project, overrides=["training.max_steps=8"], on_progress=stop)
    prepare_again, seen = flow.prepare_again, []

    def looked_at(*given: Any) -> Any:
        seen.append(find_run(project, "last").state)
        return prepare_again(*given)

    monkeypatch.setattr(flow, "prepare_again", looked_at)
    resume("last", project)
    assert seen == ["running"]
