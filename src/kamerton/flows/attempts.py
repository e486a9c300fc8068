"""Attempts of a run: each tells its code and its machine, so that a run that went on elsewhere is known as such."""

from __future__ import annotations

from typing import Any

from kamerton.ground.digests import digest
from kamerton.ground.errors import StorageError
from kamerton.journal import RunFolder, read_events
from kamerton.records import CodeLineage, Environment

__all__ = ["attempts_unlike", "refuse_other_recipe", "tell_attempt"]

_KIND = "machine"


def tell_attempt(run: RunFolder, code: CodeLineage, environment: Environment) -> None:
    """Write into the journal what this attempt runs with."""
    run.event(
        _KIND,
        recipe=digest(run.recipe()),
        code=code.model_dump(mode="json"),
        environment=environment.model_dump(mode="json"),
    )


def refuse_other_recipe(run: RunFolder) -> None:
    """A run goes on with the recipe that it began with.

    Raises:
        StorageError: its recipe was changed.
    """
    told = next((event["recipe"] for event in read_events(run.path) if event["kind"] == _KIND), None)
    if told is not None and told != digest(run.recipe()):
        raise StorageError(
            "the run's recipe was changed since the run began",
            where=str(run.path / "recipe.json"),
            expected=f"the recipe with the digest {told[:16]}",
            mend="restore the file; another recipe is another run: kamerton train RECIPE",
        )


def attempts_unlike(run: RunFolder) -> list[str]:
    """How attempts before the last one differ from it in what bits depend on, one sentence each."""
    told = [event for event in read_events(run.path) if event["kind"] == _KIND]
    return [
        f"attempt {number} of {len(told)}: {sentence}"
        for number, event in enumerate(told[:-1], start=1)
        for sentence in _differences(event, told[-1])
    ]


def _differences(before: dict[str, Any], last: dict[str, Any]) -> list[str]:
    from kamerton.training.environment import class_differences

    code = [
        f"code: {name} {_short(before['code'].get(name))}, in the last attempt {_short(value)}"
        for name, value in last["code"].items()
        if before["code"].get(name) != value
    ]
    there, here = (Environment.model_validate(event["environment"]) for event in (before, last))
    # How many processes shared each step is told on its own (`processes_of_steps`).
    return code + class_differences(there.model_copy(update={"processes": here.processes}), here)


def _short(value: object) -> str:
    return f"{value!r:.60}"
