"""The key is made once, for its owner alone, and is never told."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kamerton.data.privacy import key_id, privacy_key
from kamerton.ground.errors import StorageError
from kamerton.ground.settings import Workspace


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAMERTON_PRIVACY_KEY", raising=False)
    monkeypatch.delenv("KAMERTON_HOME", raising=False)


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    workspace = Workspace.at(tmp_path)
    key = privacy_key(workspace)
    assert privacy_key(workspace) == key
    assert len(key) == 64
    path = workspace.home / "keys" / "privacy.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["privacy.key"]
    assert privacy_key(Workspace.at(tmp_path / "other")) != key


def test_all_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    workspace = Workspace.at(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: privacy_key(workspace), range(32)))
    assert len(set(keys)) == 1


def test_the_variable_wins_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMERTON_PRIVACY_KEY", "k" * 64)
    assert privacy_key(Workspace.at(tmp_path)) == b"k" * 64
    assert not (tmp_path / ".kamerton").exists()


def test_the_id_tells_keys_apart_and_not_the_key() -> None:
    assert key_id(b"a" * 64) != key_id(b"b" * 64)
    assert len(key_id(b"a" * 64)) == 16


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 80])
def test_a_damaged_key_is_said_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    workspace = Workspace.at(tmp_path)
    privacy_key(workspace)
    path = workspace.home / "keys" / "privacy.key"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="no key for pseudonyms") as caught:
        privacy_key(workspace)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_short_variable_is_refused_without_being_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAMERTON_PRIVACY_KEY", "guess-me")
    with pytest.raises(StorageError, match="KAMERTON_PRIVACY_KEY") as caught:
        privacy_key(Workspace.at(tmp_path))
    assert "guess-me" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_home_is_said(tmp_path: Path) -> None:
    (tmp_path / ".kamerton").mkdir(mode=0o500)
    with pytest.raises(StorageError):
        privacy_key(Workspace.at(tmp_path))


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / ".kamerton").write_text("x")
    with pytest.raises(StorageError):
        privacy_key(Workspace.at(tmp_path))
