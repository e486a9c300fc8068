"""Which model a name means."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kamerton.flows.models import find_model, open_model
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.training import contract
from tiny_project import Finished, kamerton


def test_a_run_is_found_by_its_id_its_beginning_its_place_and_last(finished: Finished) -> None:
    for name in ("last", finished.run_id, finished.run_id[:12], str(finished.run), str(finished.run / "model")):
        assert find_model(name, finished.workspace).run == RunFolder(finished.run), name


def test_a_registered_model_is_found_by_alias_and_number(finished: Finished) -> None:
    for name in ("tiny@candidate", "tiny@staging", "tiny@1"):
        ref = find_model(name, finished.workspace)
        assert ref.run == RunFolder(finished.run)
        assert ref.folder is not None
        assert finished.workspace.artifacts in ref.folder.parents


def test_a_registered_model_outlives_its_run(finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    shutil.rmtree(project.run)
    ref = find_model("tiny@staging", project.workspace)
    assert (ref.run, ref.record is not None) == (None, True)
    assert kamerton(project.root, "generate", "tiny@staging", "Co?", "--max-new-tokens", "2").code == 0
    with pytest.raises(RequestError, match="trained in this workspace"):
        ref.needs_run()


def test_a_finished_model_that_was_copied_away_can_be_used(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.run / "model", tmp_path / "taken")
    done = kamerton(finished.root, "generate", str(tmp_path / "taken"), "Co?", "--max-new-tokens", "2", "--json")
    assert (done.code, done.document["tokens"]) == (0, 2)


def test_a_base_with_a_record_beside_it_is_no_run(finished: Finished, tmp_path: Path) -> None:
    """The packaged base has its record in its folder."""
    shutil.copytree(finished.root / "base", tmp_path / "base")
    shutil.copy(finished.run / "record.json", tmp_path / "base")
    ref = find_model(str(tmp_path / "base"), finished.workspace)
    assert ref.run is None
    assert open_model(ref, finished.workspace).name == str(tmp_path / "base")


def test_the_packaged_base_goes_before_runs_that_begin_like_it(workspace: Workspace) -> None:
    RunFolder.create(workspace.runs, {"name": "tiny-pl"}, "tiny-pl")
    ref = find_model("tiny-pl", workspace)
    assert (ref.name, ref.run) == ("tiny-pl", None)


@pytest.mark.parametrize("name", ["", " ", "nobody", "a/b/c", "./nowhere", "/nowhere/at/all"])
def test_a_name_of_nothing_is_refused(name: str, workspace: Workspace) -> None:
    with pytest.raises(RequestError, match="no such model"):
        find_model(name, workspace)


def test_last_without_a_complete_run_says_so(workspace: Workspace) -> None:
    RunFolder.create(workspace.runs, {"name": "m"}, "m")
    with pytest.raises(RequestError, match="there is no complete run yet"):
        find_model("last", workspace)


def test_an_incomplete_run_says_how_to_go_on(workspace: Workspace) -> None:
    run = RunFolder.create(workspace.runs, {"name": "m"}, "m")
    with pytest.raises(RequestError, match="the run is stopped, not complete") as refused:
        find_model(run.run_id, workspace)
    assert refused.value.mend == f"kamerton train --resume {run.run_id}"


@pytest.mark.parametrize("change", ["append", "remove"])
def test_a_model_that_was_changed_is_not_used(change: str, finished: Finished, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "p")
    path = project.run / "model" / "adapter_config.json"
    if change == "append":
        path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")
    else:
        path.unlink()
    with pytest.raises(StorageError, match=r"model/adapter_config.json was changed or removed after the run"):
        open_model(find_model("last", project.workspace), project.workspace)
    for words in (["evaluate", "last"], ["generate", "last", "a"]):
        assert kamerton(project.root, *words).code == 3, words


def test_a_model_is_not_asked_where_its_answers_would_depend_on_luck(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "_broken", lambda threads: [f"LUCK is on for {threads} threads"])
    for words in (
        ("evaluate", "last"),
        ("evaluate", "tiny-pl", "--on", "data/general.jsonl"),
        ("generate", "last", "?"),
    ):
        done = kamerton(finished.root, *words, "--json")
        assert (done.code, done.document["error"]) == (3, "MachineError"), words
        assert "LUCK is on" in done.document["what"]
