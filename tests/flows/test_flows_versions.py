"""Versions in a project: pointers that merge in a real Git repository, restore, verify."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kamerton.data import DatasetStore, read_pointer
from kamerton.data.rows import Row
from kamerton.flows.datasets import commit_data, export_data
from kamerton.flows.versions import ATTRIBUTES, GIT_CONFIG, merge_data, point, restore_data, verify_data
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.settings import Workspace

pytest.importorskip("lance")


def row(question: str, answer: str) -> Row:
    return Row(messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}))


ROWS = [row(f"Pytanie numer {number} o sprawę urzędową?", f"Odpowiedź {number}.") for number in range(12)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KAMERTON_HOME", raising=False)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for key, value in (("GIT_CONFIG_GLOBAL", os.devnull), ("GIT_CONFIG_NOSYSTEM", "1")):
        monkeypatch.setenv(key, value)
    return tmp_path


class Project:
    """A Git repository with a data set, a base version and two branches."""

    def __init__(self, folder: Path, inside: str = ".") -> None:
        if shutil.which("git") is None:
            pytest.skip("there is no git")
        self.top = folder
        self.root = folder / inside
        self.workspace = Workspace.at(self.root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "a@example.org")
        self.git("config", "user.name", "A")
        command = GIT_CONFIG.split('"')[1].replace("kamerton", f"{sys.executable} -m kamerton", 1)
        self.git("config", "merge.kamerton-pointer.driver", command)
        (self.root / ".gitattributes").write_text(ATTRIBUTES)
        (self.root / ".gitignore").write_text(".kamerton/\n")

    @property
    def store(self) -> DatasetStore:
        return DatasetStore(self.workspace)

    @property
    def pointer(self) -> Path:
        return self.workspace.pointers / "desk.json"

    def git(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(["git", *words], cwd=self.top, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self, rows: list[Row], message: str = "rows") -> None:
        point(self.store.commit("desk", rows), self.workspace)
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def branch(self, rows: list[Row]) -> None:
        """The same base, other rows on a branch `other`."""
        self.git("switch", "-qc", "other")
        self.commit(rows, "other")
        self.git("switch", "-q", "main")


def answers(rows: list[Row]) -> set[str]:
    return {row.answer for row in rows}


@pytest.mark.parametrize("inside", [pytest.param(".", marks=pytest.mark.slow), "projects/desk"])
def test_git_merges_two_pointers_by_their_rows(home: Path, inside: str) -> None:
    project = Project(home, inside)
    project.commit(ROWS)
    changed = row(ROWS[0].question, "Inna odpowiedź.")
    project.branch([changed, *ROWS[1:], row("Zupełnie nowa sprawa?", "Nowa.")])
    project.commit([*ROWS[:-1], row("Wątek dodany tutaj?", "Tutejsza.")], "ours")
    said = project.git("merge", "--no-edit", "other")
    pointer = read_pointer(project.pointer)
    rows = project.store.rows(f"desk@v{pointer.version}")
    assert answers(rows) == {*(r.answer for r in ROWS[1:-1]), "Inna odpowiedź.", "Nowa.", "Tutejsza."}
    assert project.store.verify("desk").fingerprint == pointer.fingerprint
    assert pointer.uri == ".kamerton/datasets/desk.lance"
    assert "this side: 1 rows added, 1 removed, 0 changed" in said
    assert "the other side: 1 rows added, 0 removed, 1 changed" in said
    assert project.store.show("desk").message == "v2 merged into v3 since v1"
    assert project.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_row_changed_on_both_sides_stops_the_merge_and_is_named(home: Path) -> None:
    project = Project(home)
    project.commit(ROWS)
    project.branch([row(ROWS[3].question, "Odpowiedź tamta."), *ROWS[:3], *ROWS[4:]])
    project.commit([row(ROWS[3].question, "Odpowiedź ta."), *ROWS[:3], *ROWS[4:]], "ours")
    before = project.pointer.read_bytes()
    said = project.git("merge", "--no-edit", "other", fails=True)
    assert "CONFLICT: 1 rows were changed on both sides" in said
    assert ROWS[3].row_hash[:12] in said
    assert "{+ta+}" in said
    assert "{+tamta+}" in said
    assert "kamerton data commit desk" in said
    assert project.pointer.read_bytes() == before
    assert "UU datasets/desk.json" in project.git("status", "--porcelain")
    assert len(project.store.log("desk")) == 3, "nothing was committed to the store"
    resolved = [row(ROWS[3].question, "Odpowiedź trzecia."), *ROWS[:3], *ROWS[4:]]
    project.commit(resolved, "resolved")
    assert project.git("log", "--merges", "--oneline")


def test_a_version_of_another_store_is_named_and_can_be_brought(home: Path, tmp_path: Path) -> None:
    project = Project(home / "here")
    project.commit(ROWS)
    other = Project(home / "there")
    theirs = DatasetStore(other.workspace)
    theirs.commit("desk", [row("Coś całkiem innego?", "x")])
    theirs.commit("desk", ROWS)
    far = theirs.commit("desk", [*ROWS, row("Sprawa z daleka?", "Daleka.")])
    (home / "base.json").write_bytes(project.pointer.read_bytes())
    project.commit(ROWS[1:], "ours")
    target = point(far, other.workspace)
    before = project.pointer.read_bytes()
    with pytest.raises(DataError, match="does not have the 13 rows of desk@v3") as error:
        merge_data(home / "base.json", project.pointer, target, project.workspace)
    assert "kamerton data export desk@v3" in error.value.mend
    assert project.pointer.read_bytes() == before
    export_data("desk@v3", "jsonl", home / "brought.jsonl", other.workspace)
    brought, _, _ = commit_data("desk", [str(home / "brought.jsonl")], project.workspace)
    assert brought.fingerprint == far.fingerprint
    project.pointer.write_bytes(before)
    found = merge_data(home / "base.json", project.pointer, target, project.workspace)
    assert found.version is not None
    assert answers(project.store.rows(f"desk@v{found.version.version}")) == {*answers(ROWS[1:]), "Daleka."}


def test_both_sides_made_the_data_set(home: Path) -> None:
    project = Project(home)
    one, other = project.store.commit("desk", ROWS[:3]), project.store.commit("desk", ROWS[2:5])
    files = [home / "one.json", home / "other.json"]
    for file, version in zip(files, (one, other), strict=True):
        shutil.move(point(version, project.workspace), file)
    (home / "base").write_text("")
    found = merge_data(home / "base", *files, project.workspace)
    assert found.base is None
    assert found.version is not None
    assert answers(project.store.rows("desk")) == answers(ROWS[:5])
    assert read_pointer(files[0]).fingerprint == found.version.fingerprint


def test_a_side_that_did_nothing_takes_the_other_version(home: Path) -> None:
    project = Project(home)
    base, new = project.store.commit("desk", ROWS[:3]), project.store.commit("desk", ROWS[:5])
    files = {}
    for name, version in (("base", base), ("new", new), ("same", base)):
        files[name] = home / f"{name}.json"
        shutil.move(point(version, project.workspace), files[name])
    assert merge_data(files["base"], files["same"], files["new"], project.workspace).version == new
    assert read_pointer(files["same"]).version == new.version
    assert merge_data(files["base"], files["new"], files["base"], project.workspace).version == new
    assert len(project.store.log("desk")) == 2


def test_pointers_that_are_none_or_of_two_sets_are_refused(home: Path) -> None:
    project = Project(home)
    one = point(project.store.commit("desk", ROWS[:3]), project.workspace)
    other = point(project.store.commit("chair", ROWS[:3]), project.workspace)
    with pytest.raises(DataError, match="different data sets") as error:
        merge_data(one, one, other, project.workspace)
    assert error.value.where == "desk, chair"
    other.write_text("<<<<<<< ours\n")
    with pytest.raises(StorageError, match="not a readable DatasetPointer"):
        merge_data(one, one, other, project.workspace)


def test_restore_moves_the_pointer_back(home: Path) -> None:
    project = Project(home)
    first = project.store.commit("desk", ROWS)
    point(project.store.commit("desk", ROWS[:4]), project.workspace)
    version, pointer = restore_data("desk@v1", project.workspace)
    assert (version.version, version.fingerprint) == (3, first.fingerprint)
    assert pointer == project.pointer
    assert read_pointer(pointer).version == 3


def test_verify_takes_one_version_all_of_a_set_or_everything(home: Path) -> None:
    project = Project(home)
    assert verify_data([], project.workspace) == []
    project.store.commit("desk", ROWS)
    project.store.commit("desk", ROWS[:4], tag="few")
    project.store.commit("chair", ROWS[:2])
    assert [v.version for v in verify_data(["desk@few"], project.workspace)] == [2]
    assert [v.version for v in verify_data(["desk"], project.workspace)] == [2, 1]
    assert len(verify_data([], project.workspace)) == 3
    data = next((Path(project.store.uri("chair")) / "data").glob("*.lance"))
    data.write_bytes(data.read_bytes()[::-1])
    with pytest.raises(StorageError):
        verify_data([], project.workspace)


def test_a_store_outside_the_project_is_named_in_full(home: Path, tmp_path: Path) -> None:
    workspace = Workspace(home / "project", tmp_path / "elsewhere")
    pointer = point(DatasetStore(workspace).commit("desk", ROWS), workspace)
    assert json.loads(pointer.read_text())["uri"] == str(tmp_path / "elsewhere" / "datasets" / "desk.lance")
