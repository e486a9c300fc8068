"""Where results go, and the flows that write them, as Python calls in a project that is not the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import kamerton
from kamerton.data import Row
from kamerton.flows.destination import Destination, Written
from kamerton.ground.errors import DataError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import PrivacySection
from tiny_project import letters, write_lines

ROWS = [Row(text="jeden", file="f", line=1), Row(text="dwa", file="f", line=2)]


def write(destination: Destination, workspace: Workspace, rows: list[Row] | None = None) -> Written:
    return destination.write(ROWS if rows is None else rows, workspace, sources=["f"], message="m")


def test_nowhere_is_no_result(workspace: Workspace) -> None:
    destination = Destination()
    destination.check(workspace)
    assert not destination.wanted
    assert write(destination, workspace, []) == Written()
    assert list(workspace.root.iterdir()) == []


def test_a_file_is_relative_to_the_project(workspace: Workspace) -> None:
    assert write(Destination(Path("new/b.jsonl")), workspace).out == Path("new/b.jsonl")
    assert (workspace.root / "new" / "b.jsonl").read_text("utf-8").splitlines() == [
        '{"text":"jeden"}',
        '{"text":"dwa"}',
    ]


def test_a_version_has_its_message_and_pointer(workspace: Workspace) -> None:
    written = write(Destination(to="letters"), workspace)
    assert written.version is not None
    assert (written.version.rows, written.version.message) == (2, "m")
    assert written.pointer is not None
    assert written.pointer.exists()


@pytest.mark.parametrize(
    ("destination", "error"),
    [
        (Destination(Path("here.jsonl")), RequestError),
        (Destination(Path("folder.jsonl")), RequestError),
        (Destination(Path("link.jsonl")), RequestError),
        (Destination(Path("b.csv")), RequestError),
        (Destination(to="../b"), DataError),
        (Destination(to="b@v2"), RequestError),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    workspace: Workspace, destination: Destination, error: type[Exception]
) -> None:
    (workspace.root / "here.jsonl").write_text("mine", encoding="utf-8")
    (workspace.root / "folder.jsonl").mkdir()
    (workspace.root / "link.jsonl").symlink_to("nowhere")
    with pytest.raises(error):
        destination.check(workspace)


def test_no_rows_are_no_result(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="no row is left"):
        write(Destination(Path("b.jsonl")), workspace, [])
    assert list(workspace.root.iterdir()) == []


def test_protect_data_tells_its_steps(workspace: Workspace) -> None:
    write_lines(workspace.root / "a.jsonl", [{"text": "PESEL 44051401359"}, {"text": "nic"}])
    steps: list[str] = []
    request = kamerton.ProtectionRequest(
        ["a.jsonl"], options=PrivacySection(action="mask", kinds=["pesel"]), out=Path("b.jsonl")
    )
    done = kamerton.protect_data(request, workspace, on_step=steps.append)
    assert steps == ["read", "look for personal data and secrets"]
    assert [row.text for row in done.result.rows] == ["PESEL [PESEL]", "nic"]
    assert (workspace.root / "b.jsonl").exists()


def test_a_big_file_tells_how_much_of_it_is_read(workspace: Workspace) -> None:
    write_lines(workspace.root / "a.jsonl", [{"text": f"{n} " + "słowo " * 400} for n in range(2000)])
    steps: list[str] = []
    kamerton.clean_data(kamerton.CleaningRequest(["a.jsonl"]), workspace, on_step=steps.append)
    told = [int(step.removeprefix("read a.jsonl, ").removesuffix(" %")) for step in steps if "%" in step]
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] < 100
    assert (steps[0], steps[-1]) == ("read", "clean")


def test_prepare_data_works_beside_the_current_folder(workspace: Workspace, tiny_base: Path) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    (workspace.root / "base").symlink_to(tiny_base)
    recipe = workspace.root / "recipe.yaml"
    recipe.write_text(
        "name: m\nmodel: {base: base}\ndata: {train: [letters.jsonl], check: {min_test_rows: 1}}\n", encoding="utf-8"
    )
    steps: list[str] = []
    done = kamerton.prepare_data(recipe, Path("ready"), workspace, language="pl", on_step=steps.append)
    assert done.report.passed
    assert done.report.statistics is not None
    assert done.report.statistics.tokens is not None
    assert (steps[0], steps[-2:]) == ("read train", ["report", "write"])
    assert 'lang="pl"' in (workspace.root / "ready" / "data_report.html").read_text(encoding="utf-8")
    with pytest.raises(RequestError, match="there already"):
        kamerton.prepare_data(recipe, Path("ready"), workspace)
