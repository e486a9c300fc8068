"""`kamerton watch`: charts with the whole past in a terminal, lines from the newest step on elsewhere."""

from __future__ import annotations

import argparse
import io

import pytest
from rich.console import Console

from kamerton.cli import watch_verb
from kamerton.cli.screen import Screen
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder


@pytest.fixture
def run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(workspace.root)
    folder = RunFolder.create(workspace.runs, {"name": "letters"}, "letters")
    for step in (1, 2, 3):
        folder.event("step", step=step, steps=4, loss=5.0 - step, grad_norm=1.0, memory_mib=900)
    folder.event("alarm", alarm="spike", step=3, severity="warning", symptom="the loss jumped")
    folder.event("evaluated", step=3, loss=2.5)
    folder.event("stopped", step=3, reason="requested")
    return folder


def test_a_terminal_shows_the_whole_past_and_keeps_it(run: RunFolder) -> None:
    screen, file = Screen(json=False), io.StringIO()
    screen._console = Console(file=file, force_terminal=True, width=100, height=30)
    assert watch_verb.run(argparse.Namespace(run="last"), screen) == 0
    picture = file.getvalue().rpartition("training ")[2]
    for part in ("3/4", "4.000 ", "loss 2.000", "validation 2.500", "memory 900 MiB", "! spike at step 3", "stopped"):
        assert part in picture, part


def test_elsewhere_it_is_lines(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch_verb.run(argparse.Namespace(run="last"), Screen(json=False)) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "training: step 3/4  loss 2.000"
    assert second == "! spike at step 3: the loss jumped"
    assert third.endswith("stopped  reason requested  step 3")
