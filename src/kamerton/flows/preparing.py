"""Preparing in a process of its own, while this one imports torch.

Reading, checking and keeping rows needs no torch, and training needs none of the packages behind the data room: side
by side they take half the time, and what the data room took of memory is given back before the first step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import MachineError

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.flows.prepare import Prepared
    from kamerton.flows.sources import OnStep
    from kamerton.ground.settings import Workspace
    from kamerton.recipe import Recipe

__all__ = ["Preparer"]


class Preparer:
    """A process that imports what preparing needs, and waits to be asked; at the end of its context it is gone.

    Begun before the recipe is read, it loses no time. A process that has torch already has nothing to import meanwhile:
    it starts none, and prepares by itself.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        if "torch" not in sys.modules:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "kamerton.flows.prepare_process"],  # -P: no http.py of the project
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,  # Ctrl-C is for the process that waits; it ends this one
                env=os.environ | {"TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"},  # of torch, which is hidden on purpose
            )

    def __enter__(self) -> Preparer:
        return self

    def __exit__(self, *reason: object) -> None:
        process = self._process
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    if pipe is not None:
                        pipe.close()
            process.wait()

    def ask(
        self, recipe: Recipe, workspace: Workspace, *, commit: bool = True, on_step: OnStep | None = None
    ) -> Callable[[], Prepared]:
        """Begin to prepare with the recipe's tokenizer, once; what is returned waits for the result.

        Raises:
            DataError, RecipeError: as of `prepare` and `token_limit`, by the function that is returned.
            MachineError: the process was killed; by the same.
        """
        told = on_step or (lambda step: None)
        process = self._process
        if process is None:
            return lambda: _here(recipe, workspace, commit, told)
        asked = {"recipe": recipe.model_dump(mode="json"), "root": str(workspace.root), "home": str(workspace.home)}
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # it has ended already: what it did not tell is missed below
            process.stdin.write(json.dumps(asked | {"commit": commit}).encode("ascii"))
        return lambda: _received(process, told)


def _here(recipe: Recipe, workspace: Workspace, commit: bool, on_step: OnStep) -> Prepared:
    from kamerton.flows.data_context import token_limit
    from kamerton.flows.prepare import prepare

    return prepare(recipe, workspace, commit=commit, tokens=token_limit(recipe, workspace), on_step=on_step)


def _received(process: subprocess.Popen[bytes], on_step: OnStep) -> Prepared:
    from kamerton.flows.prepare import Prepared
    from kamerton.ground import errors
    from kamerton.records import DataLineage
    from kamerton.records.data import DataReport

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
    from kamerton.data import Row

    messages = fields["messages"]
    return Row(
        **fields | {"messages": None if messages is None else tuple(messages), "ranked": tuple(fields["ranked"])}
    )
