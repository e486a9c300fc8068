"""Where base models are looked for, and what is said when they are not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from kamerton.ground.digests import file_digest
from kamerton.ground.errors import RecipeError, ServerAwayError
from kamerton.models.locate import PACKAGED, brings_template, locate


def test_a_folder_is_found_from_the_root_and_by_its_absolute_path(tiny_base: Path) -> None:
    near = locate(tiny_base.name, tiny_base.parent)
    assert near.folder == tiny_base
    assert (near.name, near.revision) == (tiny_base.name, "")
    assert locate(str(tiny_base), Path("/nowhere")).folder == tiny_base


def test_a_tilde_is_the_users_home(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tiny_base.parent))
    assert locate(f"~/{tiny_base.name}", tmp_path).folder == tiny_base
    with pytest.raises(RecipeError, match="no such model"):
        locate("~nobody-by-this-name/model", tmp_path)


@pytest.mark.parametrize("name", ["gpt2", "./gone", "../gone", "/gone", "a/b/c", "owner/", "/", "zero\0byte"])
def test_what_is_neither_a_folder_nor_a_hub_id_is_no_model(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        locate(name, tmp_path)
    assert name in caught.value.where or str(tmp_path) in caught.value.where or name == "/"
    assert caught.value.expected


@pytest.mark.parametrize("name", ["two words/model", "-owner/model", "owner/model--x", "@main/model"])
def test_a_hub_id_that_cannot_be_one_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a hub id") as caught:
        locate(name, tmp_path)
    assert name in caught.value.where


@pytest.mark.parametrize("name", ["nobody/nothing", "nobody/nothing@v1"])
def test_offline_the_hub_is_not_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ServerAwayError) as caught:
        locate(name, tmp_path)
    assert name in caught.value.where
    assert "HF_HUB_OFFLINE" in caught.value.mend


@pytest.mark.parametrize(
    ("fault", "kind", "what"),
    [
        (errors.RepositoryNotFoundError, RecipeError, "no such model on the hub"),
        (errors.GatedRepoError, RecipeError, "not open to you"),
        (errors.RevisionNotFoundError, RecipeError, "no such revision"),
        (errors.HfHubHTTPError, ServerAwayError, "the hub cannot be asked"),
    ],
)
def test_each_answer_of_the_hub_has_its_sentence(
    fault: Any, kind: type[Exception], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> str:
        raise fault("no", response=SimpleNamespace(headers={}, request=None))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(kind, match=what):
        locate("owner/model", tmp_path)


def test_a_hub_model_keeps_the_revision_that_it_resolved_to(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(repository: str, **kwargs: Any) -> str:
        asked.update(kwargs, repository=repository)
        return str(shutil.copytree(tiny_base, tmp_path / "snapshots" / "0123abcd"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    files = locate("owner/model@v2", tmp_path)
    assert (files.name, files.revision) == ("owner/model", "0123abcd")
    assert (asked["repository"], asked["revision"], asked["local_files_only"]) == ("owner/model", "v2", True)
    assert not [pattern for pattern in asked["allow_patterns"] if "bin" in pattern or "*.p" in pattern]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_configuration_or_weights_is_refused(tiny_base: Path, tmp_path: Path, missing: str) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "model"))
    (folder / missing).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(RecipeError, match="not a model folder") as caught:
        locate("model", tmp_path)
    assert "safetensors" in caught.value.expected


def test_a_packaged_name_is_never_taken_from_the_users_folder(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / PACKAGED[0])
    try:
        found = locate(PACKAGED[0], tmp_path).folder
    except RecipeError as error:  # a checkout in which the packaged model was not trained yet
        found = Path(error.where)
    assert not found.is_relative_to(tmp_path)


def test_digests_follow_the_bytes(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "model"))
    files = locate("model", tmp_path)
    assert files.weights == {"model.safetensors": file_digest(tiny_base / "model.safetensors")}
    before = files.tokenizer()
    (folder / "config.json").write_text("{}", "utf-8")
    assert files.tokenizer() == before
    (folder / "chat_template.jinja").write_text("another", "utf-8")
    assert files.tokenizer() != before


@pytest.mark.parametrize(
    ("files", "brings"),
    [
        ({"tokenizer_config.json": "{}", "chat_template.jinja": "x"}, True),
        ({"tokenizer_config.json": "{}"}, False),
        ({"tokenizer_config.json": '{"chat_template": "x"}'}, True),
        ({"tokenizer_config.json": '{"chat_template": null}'}, False),
        ({"tokenizer_config.json": '{"chat_template": [{"name": "tool_use", "template": "x"}]}'}, False),
        ({"tokenizer_config.json": '{"chat_template": [{"name": "default", "template": "x"}]}'}, True),
        ({"tokenizer_config.json": '{"chat_template": ["default"]}'}, None),
        ({"tokenizer_config.json": "[]"}, None),
        ({"tokenizer_config.json": "{"}, None),
        ({}, False),
    ],
    ids=str,
)
def test_whether_a_tokenizer_brings_a_template_is_told_by_its_files(
    files: dict[str, str], brings: bool | None, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    for name, text in files.items():
        (tmp_path / "model" / name).write_text(text, "utf-8")
    assert brings_template("model", tmp_path) is brings
    assert brings_template("owner/none", tmp_path) is None
    assert brings_template("nothing", tmp_path) is None
