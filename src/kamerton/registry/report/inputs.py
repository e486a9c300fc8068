"""What a report is made of: records, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kamerton.journal import TraceStep
from kamerton.records import RunRecord
from kamerton.records.comparison import ComparisonRecord
from kamerton.records.data import DataReport
from kamerton.records.decision import Decision
from kamerton.records.evaluation import EvaluationRecord
from kamerton.records.rebuild import RebuildRecord

__all__ = ["ReportInputs"]


@dataclass(frozen=True)
class ReportInputs:
    """The records of one model; whatever is missing is named in the report with the command that makes it."""

    run: RunRecord
    trace: Sequence[TraceStep] = ()
    """All steps, verified."""
    events: Sequence[Mapping[str, Any]] = ()
    """The run's events; `evaluated` gives the validation loss and `step` the speed."""
    data: DataReport | None = None
    evaluations: Sequence[EvaluationRecord] = ()
    """The candidate's and the baselines', on any sets; of two on one set by one model the later counts."""
    comparisons: Sequence[ComparisonRecord] = ()
    decision: Decision | None = None
    rebuild: RebuildRecord | None = None
