"""Promote: register a run with its evidence, and move an alias where the gate allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kamerton.flows.compare import judge
from kamerton.flows.models import find_model, open_registry
from kamerton.flows.results import Results
from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.records.decision import Decision

if TYPE_CHECKING:
    from kamerton.registry import Alias, AliasMove, ModelVersion

__all__ = ["promote", "register", "rollback"]


def register(model: str, workspace: Workspace | None = None) -> ModelVersion:
    """Make a run's model a version of the registry, `candidate`, with all records that the run has as evidence.

    Registering again brings the evidence up to date.
    """
    place = workspace or Workspace.at()
    run, record = find_model(model, place).needs_run()
    results = Results(run)
    if record.recipe.get("gate") and results.comparisons:
        judge(model, place)
    return open_registry(place).register(record.name, record, run.model, results.files())


def promote(
    model: str, alias: Alias, workspace: Workspace | None = None, *, reason: str = ""
) -> tuple[Decision, AliasMove]:
    """Move an alias to a version `NAME@ALIAS` or `NAME@NUMBER`, if its evidence allows it.

    Raises:
        VerdictError: refused; every reason is told.
    """
    from kamerton.registry import promote as move

    name, sign, ref = model.partition("@")
    if not sign or not ref:
        raise RequestError("this names no version", where=model, expected="NAME@ALIAS or NAME@NUMBER")
    return move(open_registry(workspace or Workspace.at()), name, ref, alias, reason)


def rollback(name: str, alias: Alias, reason: str, workspace: Workspace | None = None) -> AliasMove:
    """Move an alias back to the version that had it before."""
    from kamerton.registry import rollback as move

    return move(open_registry(workspace or Workspace.at()), name, alias, reason)
