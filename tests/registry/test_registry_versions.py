"""Model versions on a real MLflow registry."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_samples import made_model, run_record

from kamerton.ground.errors import RequestError, ServerAwayError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.registry import ModelVersion, Registry
from kamerton.tracking import connect, sync

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

Register = Callable[..., ModelVersion]


def test_a_registered_model_outlives_its_run(registry: Registry, register: Register, tmp_path: Path) -> None:
    version = register("letters-1")
    assert (version.name, version.version, version.aliases) == ("letters", 1, ["candidate"])
    assert set(version.files) == {"adapter_model.safetensors", "tokenizer/tokenizer.json"}
    shutil.rmtree(tmp_path / "made")
    assert registry.resolve("letters@candidate") == version
    assert (version.source / "adapter_model.safetensors").read_text() == "letters-1"
    assert version.source.is_relative_to(registry.workspace.artifacts / "models" / "letters")
    assert "record.json" in version.evidence.manifest()
    assert sorted(path.name for path in version.source.parent.iterdir()) == ["evidence", "model"]


def test_versions_are_counted_and_listed(registry: Registry, register: Register) -> None:
    register("letters-1")
    register("letters-2")
    assert [(each.version, each.run_id, each.aliases) for each in registry.versions()] == [
        (1, "letters-1", []),
        (2, "letters-2", ["candidate"]),
    ]
    assert registry.versions("letters") == registry.versions()
    assert registry.show("letters", "@1").run_id == "letters-1"
    assert registry.resolve("letters@2").run_id == "letters-2"


def test_the_same_run_twice_is_one_version(registry: Registry, tmp_path: Path) -> None:
    model = made_model(tmp_path / "model")
    run = run_record(model)
    first = registry.register("letters", run, model)
    assert registry.register("letters", run, model) == first
    assert len(registry.versions()) == 1


def test_the_same_files_of_another_run_are_kept_once(registry: Registry, tmp_path: Path) -> None:
    model = made_model(tmp_path / "model")
    first = registry.register("letters", run_record(model, "letters-1"), model)
    second = registry.register("letters", run_record(model, "letters-2"), model)
    assert (second.version, second.source) == (2, first.source)
    assert first.evidence.folder != second.evidence.folder


def test_one_run_with_other_files_is_refused(registry: Registry, tmp_path: Path) -> None:
    first, second = made_model(tmp_path / "a", "a"), made_model(tmp_path / "b", "b")
    registry.register("letters", run_record(first), first)
    with pytest.raises(StorageError, match="other files"):
        registry.register("letters", run_record(second), second)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "tokenizer/tokenizer.json"])
def test_a_changed_file_is_named(registry: Registry, register: Register, name: str) -> None:
    version = register("letters-1")
    (version.source / name).write_text("changed")
    with pytest.raises(StorageError, match=name) as caught:
        registry.resolve("letters@candidate")
    assert "SHA-256" in caught.value.what
    assert registry.show("letters", "candidate") == version


def test_a_missing_file_is_named(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    (version.source / "adapter_model.safetensors").unlink()
    with pytest.raises(StorageError, match=r"missing(.|\n)*kamerton registry add letters-1"):
        registry.resolve("letters@1")


def test_registering_again_mends_a_damaged_copy(registry: Registry, tmp_path: Path) -> None:
    model = made_model(tmp_path / "model")
    version = registry.register("letters", run_record(model), model)
    (version.source / "adapter_model.safetensors").write_text("changed")
    registry.register("letters", run_record(model), model)
    assert registry.resolve("letters@1") == version


def test_a_model_changed_after_its_run_is_refused(registry: Registry, tmp_path: Path) -> None:
    model = made_model(tmp_path / "model")
    run = run_record(model)
    (model / "adapter_model.safetensors").write_text("changed")
    with pytest.raises(StorageError, match=r"adapter_model\.safetensors"):
        registry.register("letters", run, model)
    assert registry.versions() == []


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("letters", "NAME@ALIAS"),
        ("letters@", "NAME@ALIAS"),
        ("letters@production", "letters@candidate"),
        ("letters@9", "letters@1"),
        ("nobody@1", "letters"),
        ("../letters@1", "letters, digits"),
    ],
)
def test_an_unknown_reference_says_what_is_there(
    registry: Registry, register: Register, reference: str, told: str
) -> None:
    register("letters-1")
    with pytest.raises(RequestError, match=told):
        registry.resolve(reference)


def test_models_of_others_are_passed_over(registry: Registry, register: Register) -> None:
    register("letters-1")
    client = connect(registry.workspace)
    client.create_registered_model("a model with spaces")
    client.create_registered_model("foreign")
    client.create_model_version("foreign", "/somewhere")
    assert [version.name for version in registry.versions()] == ["letters"]


def test_a_version_is_linked_to_the_followed_run(registry: Registry, tmp_path: Path) -> None:
    recipe = {"name": "letters", "tracking": {"followers": ["mlflow"], "experiment": None}}
    run = RunFolder.create(registry.workspace.runs, recipe, "letters")
    sync(run, registry.workspace)
    model = made_model(tmp_path / "model")
    registry.register("letters", run_record(model, run.run_id), model)
    client = connect(registry.workspace)
    (version,) = client.search_model_versions("name='letters'")
    assert client.get_run(version.run_id).data.tags["kamerton.run_id"] == run.run_id


def test_a_server_that_is_away_is_said(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = Registry(workspace, connect(workspace))
    with pytest.raises(ServerAwayError, match=r"127\.0\.0\.1"):
        registry.versions()
