"""Preparing in a process of its own gives what preparing here gives, errors included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kamerton.flows import preparing as room
from kamerton.flows.data_context import token_limit
from kamerton.flows.prepare import Prepared, prepare, prepare_again
from kamerton.flows.preparing import preparing
from kamerton.ground.errors import DataError, MachineError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from tiny_project import letters, write_lines

ODD = [
    {"prompt": "half a pair \ud800 and a line\u2028", "chosen": "one", "rejected": "two"},
    {"prompt": "<|im_end|> żółw", "chosen": "{}", "rejected": "\\n"},
]


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process looks as if it had not imported torch, so that another one prepares."""
    monkeypatch.setattr(room, "sys", SimpleNamespace(modules={}, executable=sys.executable))


def _recipe(*files: str, **more: Any) -> Recipe:
    return Recipe.model_validate({"name": "m", "model": {"base": "tiny-pl"}, "data": {"train": list(files)}} | more)


def _here(recipe: Recipe, workspace: Workspace) -> Prepared:
    return prepare(recipe, workspace, commit=False, tokens=token_limit(recipe, workspace))


def _apart(recipe: Recipe, workspace: Workspace, **asked: Any) -> Prepared:
    with preparing(recipe, workspace, **asked) as prepared:
        return prepared()


@pytest.mark.usefixtures("no_torch")
def test_the_result_is_that_of_preparing_here(workspace: Workspace) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    recipe = _recipe("letters.jsonl")
    steps: list[str] = []
    apart = _apart(recipe, workspace, on_step=steps.append)
    assert apart.lineage.versions.keys() == {"train", "validation", "test"}
    assert prepare_again(apart.lineage, workspace) == apart.parts
    here = _here(recipe, workspace)
    assert (apart.parts, apart.weights, apart.report) == (here.parts, here.weights, here.report)
    assert apart.languages == here.languages
    assert apart.peak > 50 << 20
    assert here.peak == 0
    assert [[row.row_hash for row in rows] for rows in apart.parts.values()] == [
        [row.row_hash for row in rows] for rows in here.parts.values()
    ]
    assert steps[-1] == "report"


@pytest.mark.usefixtures("no_torch")
def test_rows_of_any_kind_and_any_letters_come_over(workspace: Workspace) -> None:
    (workspace.root / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ODD), "utf-8")
    training = {"objective": {"kind": "dpo"}}
    recipe = _recipe("pairs.jsonl", training=training)
    assert _apart(recipe, workspace, commit=False).parts == _here(recipe, workspace).parts
    assert not workspace.home.exists()


@pytest.mark.usefixtures("no_torch")
def test_an_error_comes_as_itself(workspace: Workspace) -> None:
    recipe = _recipe("none.jsonl")
    with pytest.raises(DataError) as here:
        _here(recipe, workspace)
    with pytest.raises(DataError) as apart:
        _apart(recipe, workspace)
    assert apart.value.document() == here.value.document()


@pytest.mark.usefixtures("no_torch")
def test_a_process_that_was_killed_is_told(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(room, "subprocess", type("Of", (), {"Popen": staticmethod(start), "PIPE": subprocess.PIPE}))
    with preparing(_recipe("letters.jsonl"), workspace) as prepared:
        os.kill(started[0].pid, signal.SIGKILL)
        with pytest.raises(MachineError, match="ended with code -9"):
            prepared()


@pytest.mark.usefixtures("no_torch")
def test_nobody_prepares_on_when_the_caller_fails(workspace: Workspace) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    with pytest.raises(KeyboardInterrupt), preparing(_recipe("letters.jsonl"), workspace):
        raise KeyboardInterrupt
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "prepare_process"], check=False, stdout=-3)
    assert children.returncode == 1


def test_a_process_that_has_torch_prepares_by_itself(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401

    write_lines(workspace.root / "letters.jsonl", letters())
    monkeypatch.setattr(subprocess, "Popen", None)
    assert _apart(_recipe("letters.jsonl"), workspace, commit=False).parts["train"]


def test_tokenizers_alone_leave_torch_alone(tiny_base: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from kamerton.models.tokenizer import *; without_torch();"
        f"print(load_tokenizer(Path({str(tiny_base)!r})).encode('dom i kot'), 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    from kamerton.models.tokenizer import load_tokenizer

    assert told == f"{load_tokenizer(tiny_base).encode('dom i kot')} False\n"
