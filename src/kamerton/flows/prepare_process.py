"""The process behind `preparing`: `python -m kamerton.flows.prepare_process`, with what is asked on standard input."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from kamerton.data import Row
from kamerton.flows.data_context import token_limit
from kamerton.flows.keep_tokens import keep_tokens, remembering
from kamerton.flows.prepare import Prepared, prepare
from kamerton.ground.errors import KamertonError
from kamerton.ground.memory import peak_bytes
from kamerton.ground.settings import Workspace
from kamerton.models.tokenizer import without_torch
from kamerton.recipe import Recipe

_FIELDS = [field.name for field in dataclasses.fields(Row)]


def main() -> None:
    """Prepare, and write steps, then the result or the error that ended it, as JSON lines."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # where that one is gone, nobody wants the answer
    if not (text := sys.stdin.read()):
        return  # it was never asked
    asked = json.loads(text)
    with os.fdopen(os.dup(1), "w", encoding="ascii") as lines:
        os.dup2(2, 1)  # whatever else is printed is no answer
        try:
            _answer(_prepare(asked, lines), lines)
        except KamertonError as error:
            _tell(lines, error.document())


def _prepare(asked: dict[str, Any], lines: IO[str]) -> Prepared:
    recipe = Recipe.model_validate(asked["recipe"])
    workspace = Workspace(Path(asked["root"]), Path(asked["home"]))
    if not _needs_model(recipe):
        without_torch()
    tokens = remembering(token_limit(recipe, workspace))
    prepared = prepare(
        recipe,
        workspace,
        commit=asked["commit"],
        tokens=tokens,
        on_step=lambda step: _tell(lines, {"step": step}),
    )
    if asked["commit"]:
        keep_tokens(recipe, prepared, tokens, workspace)
    return prepared


def _needs_model(recipe: Recipe) -> bool:
    """Whether a step on the data is done by a model."""
    return bool(recipe.data.augment or recipe.data.leaks.embeddings)


def _answer(prepared: Prepared, lines: IO[str]) -> None:
    _tell(
        lines,
        {
            "parts": {name: len(rows) for name, rows in prepared.parts.items()},
            "weights": prepared.weights,
            "report": prepared.report.model_dump(mode="json"),
            "lineage": prepared.lineage.model_dump(mode="json"),
            "languages": prepared.languages,
            "peak": peak_bytes(),
        },
    )
    for rows in prepared.parts.values():
        for row in rows:
            lines.write(json.dumps({name: getattr(row, name) for name in _FIELDS}) + "\n")


def _tell(lines: IO[str], document: dict[str, Any]) -> None:
    lines.write(json.dumps(document) + "\n")
    lines.flush()


if __name__ == "__main__":
    main()
