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
from kamerton.flows.preparing import Preparer
from kamerton.ground.errors import DataError, MachineError
from kamerton.ground.settings import Workspace
from kamerton.models.load import load_base
from kamerton.recipe import Recipe
from kamerton.training.cache import TokenCache
from kamerton.training.examples import builder_of
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
    with Preparer() as preparer:
        return preparer.ask(recipe, workspace, **asked)()


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
    with Preparer() as preparer:
        prepared = preparer.ask(_recipe("letters.jsonl"), workspace)
        os.kill(started[0].pid, signal.SIGKILL)
        with pytest.raises(MachineError, match="ended with code -9"):
            prepared()


def _many(objective: str = "sft") -> Recipe:
    data = {"train": ["letters.jsonl"], "split": {"validation": 0.1, "test": 0.1, "by": "rows"}}
    return _recipe("letters.jsonl", data=data, training={"objective": objective, "max_length": 64})


@pytest.mark.usefixtures("no_torch")
def test_tokens_that_were_counted_are_found_by_the_training(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**row, "output": f"{row['output']} {turn}"} for row in letters() for turn in range(4)]
    write_lines(workspace.root / "letters.jsonl", rows)
    recipe = _many()
    learned = _apart(recipe, workspace).parts["train"]
    builder = builder_of(recipe.training, load_base("tiny-pl", workspace.root))
    made = builder.examples(learned)
    assert made.cut
    monkeypatch.setattr(type(builder), "build", lambda *given: pytest.fail("they were tokenised again"))
    found = TokenCache(workspace.tokens).examples(builder, learned)
    assert (found.cut, found.masked, found.notes) == (made.cut, made.masked, made.notes)
    for ours, theirs in zip(found.examples, made.examples, strict=True):
        assert (ours.id, ours.weight, ours.value) == (theirs.id, theirs.weight, theirs.value)
        (one,), (other,) = ours.sequences, theirs.sequences
        assert (one.ids.tolist(), one.labels.tolist()) == (other.ids.tolist(), other.labels.tolist())


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(("objective", "commit"), [("pretrain", True), ("sft", False)])
def test_no_other_tokens_are_kept(workspace: Workspace, objective: str, commit: bool) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    _apart(_many(objective), workspace, commit=commit)
    assert not workspace.tokens.exists()


def _interrupted(workspace: Workspace) -> None:
    with Preparer() as preparer:
        preparer.ask(_recipe("letters.jsonl"), workspace)
        raise KeyboardInterrupt


@pytest.mark.usefixtures("no_torch")
def test_nobody_prepares_on_when_the_caller_fails(workspace: Workspace) -> None:
    write_lines(workspace.root / "letters.jsonl", letters())
    with pytest.raises(KeyboardInterrupt):
        _interrupted(workspace)
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
