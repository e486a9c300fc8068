"""Diagnose: what went wrong in a training, ours or another program's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.ground.errors import RequestError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, find_run
from kamerton.recipe import AlarmsSection

if TYPE_CHECKING:
    from kamerton.training.monitors import Alarm

__all__ = ["Diagnosis", "diagnose", "diagnose_run"]


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and what could not be looked for."""

    name: str
    alarms: list[Alarm]
    unjudged: list[str] = field(default_factory=list)
    """A sentence for each symptom that could not be looked for: the log does not show it, or the run has not ended."""

    @property
    def passed(self) -> bool:
        """Whether there is no alarm of severity `error`."""
        return all(alarm.severity != "error" for alarm in self.alarms)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        alarms = [alarm.document() for alarm in self.alarms]
        return {"name": self.name, "passed": self.passed, "alarms": alarms, "unjudged": self.unjudged}


def diagnose(name: str, workspace: Workspace | None = None) -> Diagnosis:
    """Run all alarms over a run that is told again.

    Args:
        name: a run id, its beginning, `last`, a run folder, or a log of another program: transformers'
            `trainer_state.json`, LLaMA-Factory's `trainer_log.jsonl`, or a folder with one of them.

    Raises:
        RequestError: there is no such run or file.
        DataError: the file is no log of a training.
        StorageError: the trace of the run was changed.
    """
    from kamerton.training.monitors import diagnose as alarms_of
    from kamerton.training.monitors.foreign import read_foreign

    path = _foreign_log(Path(name).expanduser())
    if path is None:
        run = find_run(workspace or Workspace.at(), name)
        return Diagnosis(name, diagnose_run(run), _not_ended(run))
    foreign = read_foreign(path)
    return Diagnosis(str(path), alarms_of(foreign.records), foreign.unjudged)


def diagnose_run(run: RunFolder) -> list[Alarm]:
    """All alarms of a run of ours, with the margin of its recipe; silenced ones too."""
    from kamerton.training.monitors import diagnose as alarms_of
    from kamerton.training.monitors.journal import run_records

    asked = run.recipe().get("training", {}).get("alarms", {})
    return alarms_of(run_records(run.path), AlarmsSection.model_validate(asked))


def _not_ended(run: RunFolder) -> list[str]:
    if run.record_file.exists():
        return []
    return [f"what is judged at the end (under_fitting, rate_too_low): the run is {run.state}"]


def _foreign_log(path: Path) -> Path | None:
    """The log that a path is or holds; None for what may be a run of ours."""
    if (path / "recipe.json").exists():
        return None
    if path.is_file():
        return path
    if not path.is_dir():
        return None
    found = [path / name for name in ("trainer_state.json", "trainer_log.jsonl") if (path / name).is_file()]
    if not found:
        raise RequestError(
            "the folder is neither a run nor the output of a training",
            where=str(path),
            expected="recipe.json, trainer_state.json or trainer_log.jsonl in it",
        )
    return found[0]
