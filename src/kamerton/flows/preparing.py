"""Preparing in a process of its own, while this one imports torch.

Reading, checking and keeping rows needs no torch, and training needs none of the packages behind the data room: side
by side they take half the time, and what the data room took of memory is given back before the first step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kamerton.data import Row
from kamerton.flows.data_context import token_limit
from kamerton.flows.prepare import Prepared, prepare
from kamerton.flows.sources import OnStep, nobody
from kamerton.ground import errors
from kamerton.ground.errors import MachineError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from kamerton.records import DataLineage
from kamerton.records.data import DataReport

__all__ = ["preparing"]


@contextmanager
def preparing(
    recipe: Recipe, workspace: Workspace, *, commit: bool = True, on_step: OnStep = nobody
) -> Iterator[Callable[[], Prepared]]:
    """Begin to prepare with the recipe's tokenizer; what is yielded waits for the result.

    A process that has torch already has nothing to import meanwhile, and prepares by itself when it is asked.

    Raises:
        DataError, RecipeError: as of `prepare` and `token_limit`, by the function that is yielded.
        MachineError: the process was killed; by the same.
    """
    if "torch" in sys.modules:
        yield lambda: prepare(recipe, workspace, commit=commit, tokens=token_limit(recipe, workspace), on_step=on_step)
        return
    asked = {"recipe": recipe.model_dump(mode="json"), "root": str(workspace.root), "home": str(workspace.home)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "kamerton.flows.prepare_process"],  # -P: no http.py of the project
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"},  # of torch, which is hidden on purpose
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError), process.stdin:  # it has ended already: what it did not tell is missed below
            process.stdin.write(json.dumps(asked | {"commit": commit}).encode("ascii"))
        yield lambda: _received(process, on_step)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def _received(process: subprocess.Popen[bytes], on_step: OnStep) -> Prepared:
    while "step" in (told := _next(process)):
        on_step(told["step"])
    if "error" in told:
        raise getattr(errors, told.pop("error"))(told.pop("what"), **told)
    return Prepared(
        {name: [_row(_next(process)) for _ in range(count)] for name, count in told["parts"].items()},
        told["weights"],
        DataReport.model_validate(told["report"]),
        DataLineage.model_validate(told["lineage"]),
        told["languages"],
        told["peak"],
    )


def _next(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next thing that the process tells: steps, then an error, or what is known of the rows and then each row."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.endswith(b"\n"):
        return dict(json.loads(line))
    raise MachineError(
        f"the process that prepares the data ended with code {process.wait()}",
        expected="rows, or what is wrong with them; the usual cause is too little memory",
        mend="free memory, or look at what it wrote above",
    )


def _row(fields: dict[str, Any]) -> Row:
    messages = fields["messages"]
    return Row(
        **fields | {"messages": None if messages is None else tuple(messages), "ranked": tuple(fields["ranked"])}
    )
