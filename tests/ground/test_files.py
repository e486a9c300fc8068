"""Files are whole or not there, whatever fails; paths stay in their folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground import files
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.files import (
    confined,
    make_folder,
    storage_errors,
    swap_folder,
    write_bytes,
    write_text,
    writing,
)


def fails(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "record.json"
    write_text(target, "zażółć\n")
    assert target.read_bytes() == "zażółć\n".encode()
    assert target.stat().st_mode & 0o777 == 0o644
    write_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["record.json"]


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_failed_write_leaves_the_old_file(
    step: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "record.json"
    write_text(target, "old")
    monkeypatch.setattr(os, step, fails(number))
    with pytest.raises(StorageError) as caught:
        write_text(target, "new")
    monkeypatch.undo()
    assert caught.value.where == str(target)
    assert caught.value.mend
    assert caught.value.exit_code == 3
    assert target.read_text() == "old"
    assert names(tmp_path) == ["record.json"]


def test_a_full_disk_is_named() -> None:
    device = Path("/dev/full")
    with device.open("wb", buffering=0) as full, pytest.raises(StorageError, match="no space is left") as caught:  # noqa: SIM117
        with storage_errors(device):
            full.write(b"x")
    assert caught.value.where == "/dev/full"


def test_a_folder_that_may_not_be_written_is_named() -> None:
    with pytest.raises(StorageError, match="/proc/kamerton: no folder can be made here") as caught:
        write_text(Path("/proc/kamerton/record.json"), "x")
    assert caught.value.mend


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        write_text(tmp_path / "file" / "below" / "record.json", "x")
    with pytest.raises(StorageError, match="too long"):
        write_text(tmp_path / ("x" * 300), "x")


def test_a_file_that_stands_where_its_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "file")
    make_folder(tmp_path)
    assert (tmp_path / "file").read_text() == "x"


def test_a_file_written_in_pieces_is_whole_or_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a" / "rows.jsonl"
    with writing(target) as file:
        file.write(b"one\n")
        assert not target.exists()
        file.write(b"two\n")
    assert target.read_bytes() == b"one\ntwo\n"
    with pytest.raises(TypeError), writing(target) as file:
        file.writelines([b"three\n", "not bytes"])  # type: ignore[list-item]
    assert target.read_bytes() == b"one\ntwo\n"
    assert names(target.parent) == ["rows.jsonl"]


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), storage_errors(tmp_path):
        (tmp_path / "none").read_text()
    with pytest.raises(ZeroDivisionError), storage_errors(tmp_path):
        raise ZeroDivisionError


KILLED = """
import os, signal, sys
from pathlib import Path
from kamerton.ground.files import write_text
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_text(Path(sys.argv[1]), "new" * 100000)
"""


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    target.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def folder(path: Path, **contents: str) -> Path:
    for name, text in contents.items():
        write_text(path / name, text)
    return path


def test_a_folder_is_swapped(tmp_path: Path) -> None:
    target = folder(tmp_path / "model", old="1", both="1")
    ready = folder(tmp_path / ".ready", both="2", new="2")
    folder(ready / "deep", er="3")
    swap_folder(ready, target)
    assert names(tmp_path) == ["model"]
    assert names(target) == ["both", "deep", "new"]
    assert (target / "both").read_text() == "2"
    swap_folder(folder(tmp_path / ".ready", only="4"), target)
    assert names(target) == ["only"]


def test_a_swap_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, ready = folder(tmp_path / "model", file="old"), folder(tmp_path / ".ready", file="new")
    monkeypatch.setattr(os, "fsync", fails(errno.ENOSPC))
    with pytest.raises(StorageError):
        swap_folder(ready, target)
    assert (target / "file").read_text() == "old"


def test_no_moment_of_a_swap_shows_half_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each step that changes names, the folder in place is the whole old one, the whole new one, or none."""
    target, ready = folder(tmp_path / "model", a="old", b="old"), folder(tmp_path / ".ready", a="new", b="new")
    seen = []

    def watched(step: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **options: Any) -> Any:
            seen.append({path.name: path.read_text() for path in target.glob("*")})
            return step(*arguments, **options)

        return act

    monkeypatch.setattr(os, "replace", watched(os.replace))
    monkeypatch.setattr(os, "unlink", watched(os.unlink))
    swap_folder(ready, target)
    old, new = {"a": "old", "b": "old"}, {"a": "new", "b": "new"}
    assert all(state in (old, new, {}) for state in seen), seen
    assert seen[0] == old
    assert seen[-1] == new


def test_what_a_killed_swap_left_is_cleared(tmp_path: Path) -> None:
    target = tmp_path / "model"
    folder(tmp_path / ".model.old.part", left="by a kill")
    swap_folder(folder(tmp_path / ".ready", file="new"), target)
    swap_folder(folder(tmp_path / ".ready", file="newer"), target)
    assert names(tmp_path) == ["model"]
    assert (target / "file").read_text() == "newer"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "..", "out/secret", "out", "loop", "a\0b"])
def test_a_path_that_leaves_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "out").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    if name == "loop" and sys.version_info >= (3, 13):
        pytest.skip("since Python 3.13 a loop of links resolves to itself, which is inside")
    with pytest.raises(RequestError):
        confined(root, name)


@pytest.mark.parametrize("name", ["a", "a/b.json", "a/../b", "./ż", "inner/x", "...", "a b"])
def test_a_path_inside_is_given_resolved(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "inner").symlink_to(tmp_path / "a")
    path = confined(tmp_path, name)
    assert path.is_absolute()
    assert path.is_relative_to(tmp_path.resolve())
    assert path == (tmp_path / name).resolve()


def test_a_neighbour_with_the_same_beginning_is_outside(tmp_path: Path) -> None:
    (tmp_path / "root-secret").mkdir()
    (tmp_path / "root").mkdir()
    with pytest.raises(RequestError, match="leaves its folder"):
        confined(tmp_path / "root", "../root-secret/x")
    assert files.confined(tmp_path / "root", "") == (tmp_path / "root").resolve()
