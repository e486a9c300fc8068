"""Where the records about a run lie in its folder, and which there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kamerton.journal import RunFolder
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.data import DataReport
from kamerton.records.decision import Decision
from kamerton.records.evaluation import EvaluationRecord
from kamerton.records.rebuild import RebuildRecord

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """The records beside `record.json`; each property is None, or empty, where nothing was made yet."""

    run: RunFolder

    def evaluation_file(self, set_name: str, model: str) -> Path:
        return self.run.path / f"evaluation-{set_name}-{model}.json"

    def comparison_file(self, set_name: str) -> Path:
        return self.run.path / f"comparison-{set_name}.json"

    @property
    def data_file(self) -> Path:
        return self.run.path / "data_report.json"

    @property
    def decision_file(self) -> Path:
        return self.run.path / "decision.json"

    @property
    def rebuild_file(self) -> Path:
        return self.run.path / "rebuild.json"

    def segment_file(self, begin: int, end: int) -> Path:
        return self.run.path / f"segment-{begin}-{end}.json"

    @property
    def data(self) -> DataReport | None:
        return DataReport.read(self.data_file) if self.data_file.exists() else None

    @property
    def evaluations(self) -> list[EvaluationRecord]:
        return [EvaluationRecord.read(path) for path in sorted(self.run.path.glob("evaluation-*.json"))]

    @property
    def comparisons(self) -> list[ComparisonRecord]:
        return [ComparisonRecord.read(path) for path in sorted(self.run.path.glob("comparison-*.json"))]

    @property
    def decision(self) -> Decision | None:
        return Decision.read(self.decision_file) if self.decision_file.exists() else None

    @property
    def rebuild(self) -> RebuildRecord | None:
        return RebuildRecord.read(self.rebuild_file) if self.rebuild_file.exists() else None

    def files(self) -> list[Path]:
        """Every record file, for the evidence: run, data, evaluations, comparisons, decision, rebuild."""
        fixed = [self.run.record_file, self.data_file, self.decision_file, self.rebuild_file]
        found = [path for path in fixed if path.exists()]
        return found + sorted(self.run.path.glob("evaluation-*.json")) + sorted(self.run.path.glob("comparison-*.json"))
