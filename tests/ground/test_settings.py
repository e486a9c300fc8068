"""Where things live."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.ground.errors import StorageError
from kamerton.ground.settings import Workspace, offline


def test_everything_lies_in_the_home_but_what_belongs_in_git(tmp_path: Path) -> None:
    workspace = Workspace.at(tmp_path)
    assert workspace.home == tmp_path / ".kamerton"
    for place in (workspace.runs, workspace.datasets, workspace.artifacts, workspace.evaluations):
        assert place.parent == workspace.home
    assert workspace.pointers == tmp_path / "datasets"
    assert workspace.tracking_uri == f"sqlite:///{tmp_path / '.kamerton' / 'mlflow.db'}"
    assert not workspace.home.exists()
    assert workspace.ensure() is workspace
    assert workspace.ensure().home.is_dir()


def test_the_environment_moves_the_home_and_the_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMERTON_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    workspace = Workspace.at(tmp_path / "project")
    assert workspace.home == tmp_path / "elsewhere"
    assert workspace.pointers == tmp_path / "project" / "datasets"
    assert workspace.tracking_uri == "http://tracker:5000"


def test_an_empty_setting_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMERTON_HOME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert Workspace.at(tmp_path).home == tmp_path / ".kamerton"
    assert Workspace.at(tmp_path).tracking_uri.startswith("sqlite:")


def test_a_home_may_begin_with_the_users_folder_and_blanks_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("KAMERTON_HOME", "~/store")
    assert Workspace.at(tmp_path).home == tmp_path / "me" / "store"
    monkeypatch.setenv("KAMERTON_HOME", "  ")
    assert Workspace.at(tmp_path).home == tmp_path / ".kamerton"


@pytest.mark.parametrize("home", ["loop", "loop/below"])
def test_a_home_behind_a_link_to_itself_is_named(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("KAMERTON_HOME", str(tmp_path / home))
    with pytest.raises(StorageError) as caught:
        Workspace.at(tmp_path).ensure()
    assert "loop" in caught.value.where
    assert caught.value.mend


def test_the_root_is_absolute_whatever_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace.at()
    monkeypatch.chdir("/")
    assert workspace.root == tmp_path.resolve()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("KAMERTON_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StorageError) as caught:
        Workspace.at(tmp_path).ensure()
    assert "file" in caught.value.where


@pytest.mark.parametrize("home", ["FILE", "/proc/kamerton/home", "/dev/null", "/sys/kamerton"])
def test_a_home_that_is_no_place_for_files_is_named(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    place = str(tmp_path / "file") if home == "FILE" else home
    monkeypatch.setenv("KAMERTON_HOME", place)
    with pytest.raises(StorageError) as caught:
        Workspace.at(tmp_path).ensure()
    assert caught.value.where.startswith(place[:5])
    assert caught.value.mend


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("TRUE", True), ("0", False), ("", False), ("no", False)])
def test_offline(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert offline() is expected
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert offline() is False
