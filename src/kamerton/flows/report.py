"""Report: everything that the records say about a model, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kamerton.flows.models import find_model
from kamerton.flows.results import Results
from kamerton.ground.settings import Workspace
from kamerton.journal import read_events, read_trace

__all__ = ["report"]


def report(
    model: str,
    workspace: Workspace | None = None,
    *,
    language: Literal["pl", "en"] = "en",
    folder: Path | None = None,
) -> dict[str, Path]:
    """Write report.html, report.md and report.json.

    Args:
        folder: where to; None writes into the run folder.
    """
    from kamerton.registry.report import ReportInputs, write_report

    run, record = find_model(model, workspace or Workspace.at()).needs_run()
    results = Results(run)
    inputs = ReportInputs(
        run=record,
        trace=read_trace(run.path),
        events=read_events(run.path),
        data=results.data,
        evaluations=results.evaluations,
        comparisons=results.comparisons,
        decision=results.decision,
        rebuild=results.rebuild,
    )
    return write_report(inputs, folder or run.path, language)
