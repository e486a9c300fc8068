"""Two classes for people who come from the field's tutorials; thin over the flows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kamerton.data.statistics import TokenLimit
from kamerton.flows.compare import compare
from kamerton.flows.data_context import token_limit
from kamerton.flows.diagnose import diagnose_run
from kamerton.flows.evaluate import evaluate
from kamerton.flows.follow import watch
from kamerton.flows.models import find_model
from kamerton.flows.prepare import Prepared, prepare
from kamerton.flows.report import report
from kamerton.flows.train import Progress, load_recipe, train
from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.journal import find_run, read_events, read_trace
from kamerton.records import RunRecord
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.data import DataReport
from kamerton.records.evaluation import EvaluationRecord

if TYPE_CHECKING:
    from kamerton.training.monitors import Alarm

__all__ = ["FineTuningManager", "TrainingMonitor"]


class FineTuningManager:
    """One recipe, from its data to the comparison of its model."""

    def __init__(
        self, recipe: Path | str, workspace: Workspace | None = None, overrides: list[str] | None = None
    ) -> None:
        self.workspace = workspace or Workspace.at()
        self.recipe = load_recipe(recipe, overrides)
        self.record: RunRecord | None = None

    def prepare_data(self) -> Prepared:
        """Read, clean, split and keep the data as immutable versions."""
        return prepare(self.recipe.recipe, self.workspace.ensure(), tokens=self._tokens())

    def validate_data(self) -> DataReport:
        """Every finding, without keeping anything."""
        return prepare(self.recipe.recipe, self.workspace, commit=False, tokens=self._tokens()).report

    def start_training(self, on_progress: Progress | None = None) -> RunRecord:
        """Train in this process; the record is kept in `record`."""
        self.record = train(self.recipe, self.workspace, on_progress=on_progress)
        return self.record

    def monitor_progress(self) -> Iterator[dict[str, Any]]:
        """The events of the newest run of this workspace, until it ends; for another process than the training one."""
        return watch("last", self.workspace)

    def evaluate_model(self, on: str = "test") -> list[EvaluationRecord]:
        """The trained model and its baselines on the same items."""
        return evaluate(self._run_id(), self.workspace, on=on)

    def compare_models(self, on: str = "test") -> list[ComparisonRecord]:
        """The trained model against its baselines, with statistics."""
        return compare(self._run_id(), self.workspace, on=on)

    def _tokens(self) -> TokenLimit | None:
        return token_limit(self.recipe.recipe, self.workspace)

    def _run_id(self) -> str:
        if self.record is None:
            raise RequestError("nothing was trained yet", mend="call start_training() first")
        return self.record.run_id


class TrainingMonitor:
    """A run, seen from outside."""

    def __init__(self, run: str = "last", workspace: Workspace | None = None) -> None:
        self.workspace = workspace or Workspace.at()
        self._run = find_run(self.workspace, run)

    def track_metrics(self) -> list[dict[str, Any]]:
        """All steps and validations so far, oldest first."""
        return [event for event in read_events(self._run.path) if event["kind"] in {"step", "evaluated"}]

    def detect_issues(self) -> list[Alarm]:
        """Every alarm so far, each with symptom, evidence, likely cause and what to change; as `kamerton diagnose`."""
        return diagnose_run(self._run)

    def validate_results(self) -> list[str]:
        """What in the finished run is no longer as it was recorded, a sentence each; empty when all is."""
        ref = find_model(str(self._run.path), self.workspace)
        record, problems = ref.needs_run()[1], ref.damage()
        try:
            trace = read_trace(self._run.path)
        except StorageError as error:
            return [*problems, f"trace: {error.what}"]
        if not trace or trace[-1].hash != record.result.trace_head:
            problems.append("trace: its end is not the recorded one")
        return problems

    def generate_report(self, language: Literal["pl", "en"] = "en") -> dict[str, Path]:
        """report.html, report.md and report.json in the run folder."""
        return report(self._run.run_id, self.workspace, language=language)
