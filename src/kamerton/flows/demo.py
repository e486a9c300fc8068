"""The whole tour: from letters to a promoted model that was rebuilt to the bit, on packaged data, offline, on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kamerton.flows.check import check
from kamerton.flows.compare import compare, judge
from kamerton.flows.datasets import commit_data
from kamerton.flows.evaluate import evaluate
from kamerton.flows.init import init
from kamerton.flows.prepare import prepare
from kamerton.flows.promote import promote, register
from kamerton.flows.report import report
from kamerton.flows.train import Progress, load_recipe, train
from kamerton.ground.errors import VerdictError
from kamerton.ground.settings import Workspace
from kamerton.records import RunRecord
from kamerton.records.decision import Decision
from kamerton.records.evaluation import EvaluationRecord
from kamerton.records.rebuild import RebuildRecord

__all__ = ["STEPS", "Step", "Tour", "demo"]


@dataclass(frozen=True)
class Step:
    """One stop of the tour."""

    name: str
    why: str
    command: str
    """What does the same by hand, inside the project folder."""


STEPS = (
    Step("project", "Everything that is asked stands in files that Git can keep.", "kamerton init ."),
    Step(
        "check",
        "Most failed trainings fail in their recipe or data: look before you pay.",
        "kamerton check recipe.yaml",
    ),
    Step(
        "commit",
        "A model is only as known as its data: an immutable version with a fingerprint.",
        "kamerton data commit letters data/letters.pl.jsonl --message 'town-hall letters'",
    ),
    Step(
        "split",
        "Letters about one matter never stand on both sides, or the test would be a memory test.",
        "kamerton data split data/letters.pl.jsonl --test 0.2 --out parts",
    ),
    Step("train", "A small adapter learns beside the frozen base; every step is sealed.", "kamerton train recipe.yaml"),
    Step(
        "evaluate",
        "The tuned model, the base, and the base with examples answer the same letters.",
        "kamerton evaluate last --on test",
    ),
    Step("compare", "Is it better, or was it luck? Paired tests, corrected for their number.", "kamerton compare last"),
    Step("register", "The gate of the recipe decides on the evidence, nobody else.", "kamerton registry add last"),
    Step(
        "rebuild",
        "A fresh process trains it again from the record: the same bytes, or it is not proven.",
        "kamerton rebuild last",
    ),
    Step(
        "promote",
        "An alias moves only with complete evidence.",
        "kamerton registry promote town-hall@candidate --to staging",
    ),
    Step("report", "One file for the manager and the auditor.", "kamerton report last --language pl"),
)


@dataclass
class Tour:
    """What the stops of the tour found."""

    folder: Path
    run: RunRecord | None = None
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    decision: Decision | None = None
    rebuild: RebuildRecord | None = None
    promoted: bool = False
    report: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Better than both baselines, promoted, and rebuilt to the bit."""
        return self.promoted and self.rebuild is not None and self.rebuild.identical

    @property
    def workspace(self) -> Workspace:
        """The folder's own, whatever `KAMERTON_HOME` says: the tour touches nothing else."""
        return Workspace(self.folder, self.folder / ".kamerton")

    def document(self) -> dict[str, Any]:
        metrics: dict[str, dict[str, Any]] = {}
        for record in self.evaluations:
            key = record.model if record.set_name == "test" else f"{record.model} on {record.set_name}"
            metrics[key] = {name: result.model_dump(mode="json") for name, result in record.metrics.items()}
        return {
            "folder": str(self.folder),
            "model_sha256": self.run.result.model_sha256 if self.run else None,
            "run_id": self.run.run_id if self.run else None,
            "metrics": metrics,
            "gate": self.decision.model_dump(mode="json") if self.decision else None,
            "promoted": self.promoted,
            "rebuild": self.rebuild.model_dump(mode="json") if self.rebuild else None,
            "report": str(self.report) if self.report else None,
            "tracking_uri": self.workspace.tracking_uri,
            "seconds": self.seconds,
        }


def demo(
    folder: Path | str = "kamerton-demo",
    *,
    language: Literal["pl", "en"] = "pl",
    on_step: Callable[[int, Step], None] | None = None,
    on_result: Callable[[str], None] | None = None,
    on_progress: Progress | None = None,
    on_evaluation: Callable[[str, int, int], None] | None = None,
) -> Tour:
    """Take the tour in a folder; a folder that has taken it already takes it again.

    Args:
        on_step: called before each stop with its number from 1.
        on_result: called after each stop with one line.
    """
    tour = Tour(Path(folder).resolve())
    place = tour.workspace
    stops = {
        "project": lambda: _project(tour),
        "check": lambda: _check(tour, place),
        "commit": lambda: _commit(tour, place),
        "split": lambda: _split(tour, place),
        "train": lambda: _train(tour, place, on_progress),
        "evaluate": lambda: _evaluate(tour, place, on_evaluation),
        "compare": lambda: _compare(tour, place),
        "register": lambda: _register(tour, place),
        "rebuild": lambda: _rebuild(tour, place),
        "promote": lambda: _promote(tour, place),
        "report": lambda: _report(tour, place, language),
    }
    for number, step in enumerate(STEPS, start=1):
        if on_step:
            on_step(number, step)
        began = time.monotonic()
        line = stops[step.name]()
        tour.seconds[step.name] = round(time.monotonic() - began, 2)
        if on_result:
            on_result(line)
    return tour


def _run_id(tour: Tour) -> str:
    assert tour.run is not None
    return tour.run.run_id


def _project(tour: Tour) -> str:
    written = init(tour.folder)
    return f"{tour.folder}: {len(written)} files" if written else f"{tour.folder}: is there already"


def _check(tour: Tour, place: Workspace) -> str:
    found = check(tour.folder / "recipe.yaml", place)
    if not found.passed:
        raise VerdictError("; ".join(item.text for item in found.items if not item.passed), where="kamerton check")
    memory = found.forecast["peak_bytes"] / 2**20
    return f"{len(found.items)} checks passed; {found.forecast['steps']} steps, about {memory:,.0f} MiB of memory"


def _commit(tour: Tour, place: Workspace) -> str:
    version, pointer, _ = commit_data("letters", ["data/letters.pl.jsonl"], place, message="town-hall letters")
    seal = version.fingerprint[:16]
    return f"letters@v{version.version}: {version.rows} rows, fingerprint {seal}, {pointer.name} for Git"


def _split(tour: Tour, place: Workspace) -> str:
    prepared = prepare(load_recipe(tour.folder / "recipe.yaml").recipe, place, commit=False)
    clusters = prepared.report.duplicate_clusters
    counts = ", ".join(f"{name} {rows}" for name, rows in prepared.report.splits.items())
    return f"{counts}; {clusters.near} clusters of alike letters ({clusters.near_rows} rows) kept together"


def _train(tour: Tour, place: Workspace, on_progress: Progress | None) -> str:
    tour.run = train(tour.folder / "recipe.yaml", place, on_progress=on_progress)
    result = tour.run.result
    share = tour.run.base.trainable / tour.run.base.parameters
    return (
        f"{result.steps} steps in {result.seconds:.0f} s, loss {result.first_loss:.2f} -> {result.last_loss:.2f}, "
        f"{share:.1%} of the weights moved, sha256 {result.model_sha256[:16]}"
    )


def _evaluate(tour: Tour, place: Workspace, on_evaluation: Callable[[str, int, int], None] | None) -> str:
    tour.evaluations = evaluate(_run_id(tour), place, on_progress=on_evaluation)
    items = len(tour.evaluations[0].items)
    return f"{items} letters, {len(tour.evaluations)} evaluations; every answer is kept"


def _compare(tour: Tour, place: Workspace) -> str:
    comparisons = compare(_run_id(tour), place)
    tour.decision = judge(_run_id(tour), place)
    better = sum(entry.verdict == "better" for found in comparisons for entry in found.entries)
    tests = sum(found.n_tests for found in comparisons)
    return f"{better} of {tests} differences are shown to be better after Holm's correction"


def _register(tour: Tour, place: Workspace) -> str:
    version = register(_run_id(tour), place)
    assert tour.decision is not None
    return f"{version.name}@{version.version} is candidate; the gate says {tour.decision.verdict}"


def _rebuild(tour: Tour, place: Workspace) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "rebuild", _run_id(tour), "--json"],
        cwd=tour.folder,
        env=_own_home(place),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)
    if "error" in document:
        raise VerdictError(document["what"], where=document.get("where", ""), mend=document.get("mend", ""))
    tour.rebuild = RebuildRecord.model_validate(document)
    if not tour.rebuild.identical:
        step = tour.rebuild.first_different_step
        return "NOT identical: " + (f"the runs part at step {step}" if step else "; ".join(tour.rebuild.what_changed))
    return f"identical, byte for byte: {tour.rebuild.recorded_sha256[:16]} in {tour.rebuild.seconds:.0f} s"


def _own_home(place: Workspace) -> dict[str, str]:
    return os.environ | {"KAMERTON_HOME": str(place.home)}


def _promote(tour: Tour, place: Workspace) -> str:
    version = register(_run_id(tour), place)  # brings the rebuild into the evidence
    try:
        promote(f"{version.name}@{version.version}", "staging", place, reason="kamerton demo")
    except VerdictError as refusal:
        return f"refused: {refusal.what}"
    tour.promoted = True
    return f"{version.name}@{version.version} is staging"


def _report(tour: Tour, place: Workspace, language: Literal["pl", "en"]) -> str:
    tour.report = report(_run_id(tour), place, language=language, folder=tour.folder / "report")["html"]
    return str(tour.report)
