"""Faults: two writers, a kill at any moment, a full disk, a folder that may not be written. Nothing is lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kamerton.data.rows import Row
from kamerton.data.versions.store import DatasetStore
from kamerton.ground.errors import StorageError
from kamerton.ground.settings import Workspace

pytest.importorskip("lance")


def text_rows(count: int) -> list[Row]:
    return [Row(text=f"{number} " + "tekst " * 40) for number in range(count)]


def store_at(root: Path) -> DatasetStore:
    return DatasetStore(Workspace(root, root / ".kamerton"))


WRITER = """
import sys
from kamerton.data.rows import Row
from kamerton.data.versions.store import DatasetStore
from kamerton.ground.settings import Workspace
store = DatasetStore(Workspace.at(sys.argv[1]))
rows = [Row(text=f"{n}" + "x" * 200) for n in range(300)]
for step in range(int(sys.argv[2])):
    version = store.commit("d", rows[step:] + [Row(text=f"{sys.argv[3]} {step} {n}") for n in range(step)])
    print(version.version, version.fingerprint, flush=True)
"""


def writer(root: Path, steps: int, name: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "KAMERTON_HOME"}
    command = [sys.executable, "-c", WRITER, str(root), str(steps), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path: Path) -> None:
    process = writer(tmp_path, 10_000, "a")
    assert process.stdout is not None
    reported = [process.stdout.readline() for _ in range(5)]
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    reported += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    store = store_at(tmp_path)
    versions = {str(version.version): version.fingerprint for version in store.log("d")}
    for line in reported:
        number, _, fingerprint = line.strip().partition(" ")
        assert not fingerprint or len(fingerprint) < 64 or versions[number] == fingerprint
    for version in store.log("d")[:3]:
        store.verify(f"d@v{version.version}")
    store.commit("d", text_rows(3))
    store.verify("d")


@pytest.mark.slow
def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 6, name) for name in ("a", "b")]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(len(output) == 12 for output in outputs)
    store = store_at(tmp_path)
    for version in store.log("d"):
        assert store.verify(f"d@v{version.version}") == version


DEATHS = """
import os, signal, sys
from pathlib import Path
import lance
import lance.fragment
from kamerton.data.rows import Row
from kamerton.data.versions import lance_files, store as stores
from kamerton.ground.settings import Workspace

root = Path(sys.argv[1])
rows = [Row(text=f"{n} " + "tekst " * 40) for n in range(300)]


def deadly(owner, name, before):
    real = getattr(owner, name)

    def act(*given, **named):
        if not before:
            real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, act)


MOMENTS = [
    lambda: deadly(lance, "write_dataset", True),
    lambda: deadly(lance, "write_dataset", False),
    lambda: deadly(lance.fragment, "write_fragments", True),
    lambda: deadly(lance.fragment, "write_fragments", False),
    lambda: deadly(lance_files, "_without", False),
    lambda: deadly(lance.LanceDataset, "commit", True),
    lambda: deadly(lance.LanceDataset, "commit", False),
    lambda: deadly(stores.DatasetStore, "_describe", False),
    lambda: deadly(sys.modules["lance.dataset"].Tags, "create", True),
    lambda: deadly(sys.modules["lance.dataset"].Tags, "create", False),
]
for number, moment in enumerate(MOMENTS):
    if (child := os.fork()) == 0:
        store = stores.DatasetStore(Workspace(root / str(number), root / str(number)))
        if number > 1:  # the first two die in the first commit
            print(number, store.commit("d", rows, tag="first").fingerprint, flush=True)
        moment()
        store.commit("d", rows[5:] + [Row(text="nowy")], tag="second")
        os._exit(3)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (number, status)
"""


@pytest.mark.slow
def test_a_kill_at_any_step_of_a_commit_leaves_the_old_version_or_the_new(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DEATHS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reported = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(reported, key=int) == [str(number) for number in range(2, 10)]
    rows = text_rows(300)
    newest = []
    for number in range(10):
        store = DatasetStore(Workspace(tmp_path / str(number), tmp_path / str(number)))
        if str(number) in reported:
            assert store.verify("d@first").fingerprint == reported[str(number)]
        newest.append(store.verify("d").version if store.names() else 0)
        again = store.commit("d", [*rows[5:], Row(text="nowy")], tag="second")
        assert store.verify("d@second") == again
        assert {row.row_hash for row in store.rows("d")} == {row.row_hash for row in [*rows[5:], Row(text="nowy")]}
    assert newest == [0, 1, 1, 1, 1, 1, 2, 1, 2, 2]


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond this many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    first = store.commit("d", text_rows(50))
    varied = [Row(text=os.urandom(400).hex()) for _ in range(400)]
    with at_most(60_000), pytest.raises(StorageError, match="grows beyond the limit") as error:
        store.commit("d", [*text_rows(50), *varied])
    assert error.value.mend
    assert store.verify("d") == first
    assert store.commit("d", [*text_rows(50), *varied]).version == 2
    assert store.verify("d").rows == 450


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    try:
        done = subprocess.run(["mount", *options, str(place)], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip("only the administrator can mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=400k", "tmpfs"):
        yield place


def test_a_full_disk_loses_nothing_and_space_is_all_it_takes(small_disk: Path) -> None:
    store = store_at(small_disk)
    first = store.commit("d", text_rows(50), tag="t")
    varied = [Row(text=os.urandom(400).hex()) for _ in range(1500)]
    with pytest.raises(StorageError, match="no space is left") as error:
        store.commit("d", [*text_rows(50), *varied])
    assert "free some space" in error.value.mend
    assert store.verify("d") == first
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert store.commit("d", [*text_rows(50), *varied]).version == 2
    assert store.verify("d@t") == first


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with a data set that nobody may write, whoever runs the tests."""
    place = tmp_path / "disk"
    store_at(place).commit("d", text_rows(5), tag="t")
    with mounted(place, "--bind", str(place)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        yield place


def test_a_read_only_folder_can_be_read_and_says_why_it_is_not_written(read_only: Path) -> None:
    store = store_at(read_only)
    assert store.verify("d@t").rows == 5
    for write in (
        lambda: store.commit("d", text_rows(6)),
        lambda: store.commit("new", text_rows(6)),
        lambda: store.tag("d", "u"),
        lambda: store.restore("d@t"),
    ):
        with pytest.raises(StorageError, match="read-only") as error:
            write()
        assert error.value.mend
    assert [version.version for version in store.log("d")] == [1]


@pytest.mark.parametrize("place", ["/proc/kamerton", "/dev/null", "/sys/kamerton"])
def test_a_place_that_takes_no_files_is_named(place: str) -> None:
    with pytest.raises(StorageError, match=place.split("/")[1]):
        DatasetStore(Workspace(Path(place), Path(place))).commit("d", text_rows(2))
