"""Prepare: from the sources that a recipe names to the rows that a run learns from, kept as immutable versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kamerton.data import DatasetStore, Row, SplitResult, report
from kamerton.data.batches import InProcess, Runner
from kamerton.data.statistics import TokenLimit
from kamerton.flows.alarms import language_facts
from kamerton.flows.data_context import check_context
from kamerton.flows.pipeline import PARTS, Pipeline
from kamerton.flows.sources import OnStep, nobody, whole_rows
from kamerton.ground.digests import canonical_json, digest, set_digest
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.files import storage_errors, write_text
from kamerton.ground.rng import shuffled
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from kamerton.records import DataLineage, PartLineage
from kamerton.records.data import DataReport

__all__ = ["Prepared", "prepare", "prepare_again", "weights_again"]


EARLIER = "earlier"
"""The part of a lineage that `training.ewc` estimates from."""


@dataclass(frozen=True)
class Prepared:
    """What a run learns from, ready."""

    parts: dict[str, list[Row]]
    """train, validation and test, each in the order of the row hashes."""
    weights: list[float]
    """How often each training row is seen in an epoch, on the average; parallel to the training part."""
    report: DataReport
    lineage: DataLineage
    languages: dict[str, int]
    """`language_facts` of the training part."""
    peak: int = 0
    """Bytes that the process which prepared took at most; 0 where it is the one that goes on with the result."""


def prepare(
    recipe: Recipe,
    workspace: Workspace,
    *,
    commit: bool = True,
    tokens: TokenLimit | None = None,
    run: Runner | None = None,
    on_step: OnStep = nobody,
) -> Prepared:
    """Everything between the files that a recipe names and the rows that a run learns from.

    Args:
        commit: keep the parts as data-set versions named after the recipe; without it the lineage names none.
        tokens: counts the rows' tokens (`token_limit`); None tells lengths in characters alone.
        run: runs the steps that look at each row alone; in this process by default.
        on_step: called with what is done next.

    Raises:
        DataError: a source cannot be read, or nothing is left of it.
    """
    options = recipe.data
    count = tokens.count if tokens else None
    made = Pipeline(options, workspace, count_tokens=count, run=run or InProcess(), on_step=on_step).process()
    if not made.parts["train"]:
        files = " ".join(source.source for source in options.sources())
        raise DataError("no row is left to train on", where=files, mend=f"kamerton data check {files}")
    on_step("report")
    context = check_context(recipe, tokens, privacy=made.privacy, leaks=made.leaks, augmentation=made.augmentation)
    findings = report(made.read, made.cleaned, made.clusters, SplitResult(**made.parts), options.check, context)
    parts = made.parts
    if earlier := _earlier_rows(recipe, workspace):
        parts = parts | {EARLIER: earlier}
    lineage = DataLineage(
        versions=_commit(recipe, parts, workspace) if commit else {},
        fingerprint=findings.fingerprint,
        sources={source.file: source.sha256 for source in made.read.sources},
        parts={name: _part(rows) for name, rows in parts.items()},
        weights=_keep_weights(made.weights, workspace if commit else None),
    )
    return Prepared(parts, made.weights, findings, lineage, language_facts(parts["train"], recipe.training.seed))


def _earlier_rows(recipe: Recipe, workspace: Workspace) -> list[Row]:
    """Rows of an earlier task that `training.ewc` estimates from; which ones is a function of the seed and the rows."""
    asked = recipe.training.ewc
    if asked is None:
        return []
    rows = {row.row_hash: row for row in whole_rows([asked.source], workspace)}
    hashes = sorted(rows)
    drawn = shuffled(hashes, recipe.training.seed, "ewc")[: asked.rows]
    return [rows[hashes[place]] for place in sorted(drawn)]


def prepare_again(lineage: DataLineage, workspace: Workspace) -> dict[str, list[Row]]:
    """The parts of a finished run, from the versions that it kept.

    Raises:
        DataError: a version is gone, or its rows are not those that the run learned from; the part is named.
    """
    store = DatasetStore(workspace)
    names = [*PARTS, *(name for name in lineage.parts if name not in PARTS)]
    parts = {name: store.rows(lineage.versions[name]) if name in lineage.versions else [] for name in names}
    for name, recorded in lineage.parts.items():
        if _part(parts[name]) != recorded:
            raise DataError(
                f"the {name} part is not the one that the run learned from",
                where=lineage.versions.get(name, name),
                expected=f"{recorded.rows} rows with fingerprint {recorded.fingerprint[:16]}",
                mend="restore the workspace's datasets folder from where the run was made",
            )
    return parts


def weights_again(lineage: DataLineage, workspace: Workspace) -> list[float] | None:
    """The weights of a finished run's training rows; None where each is seen once an epoch.

    Raises:
        StorageError: they are gone, or are not those that the run had.
    """
    if not lineage.weights:
        return None
    path = _weights_file(lineage.weights, workspace)
    try:
        with storage_errors(path):
            weights: list[float] = json.loads(path.read_text(encoding="utf-8"))
        if digest(weights) == lineage.weights:
            return weights
        trouble = "the weights are not those that the run had"
    except (FileNotFoundError, ValueError):
        trouble = "the weights of the training rows are missing or damaged"
    raise StorageError(trouble, where=str(path), mend="restore the workspace's datasets folder from a copy")


def _commit(recipe: Recipe, parts: dict[str, list[Row]], workspace: Workspace) -> dict[str, str]:
    """Each part as it is learned from: no later version of any step is needed to get it back."""
    store = DatasetStore(workspace)
    names = {}
    for part, rows in parts.items():
        if rows:
            name = recipe.name if part == "train" else f"{recipe.name}.{part}"
            version = store.commit(name, rows, message=f"{part} part of {recipe.name}")
            names[part] = f"{version.name}@v{version.version}"
    return names


def _keep_weights(weights: Sequence[float], workspace: Workspace | None) -> str:
    if all(weight == 1.0 for weight in weights):
        return ""
    name = digest(list(weights))
    if workspace is not None:
        write_text(_weights_file(name, workspace), canonical_json(list(weights)))
    return name


def _weights_file(name: str, workspace: Workspace) -> Path:
    """Named by its content, so that it never changes."""
    return workspace.datasets / "weights" / f"{name}.json"


def _part(rows: Sequence[Row]) -> PartLineage:
    return PartLineage(rows=len(rows), fingerprint=set_digest(row.row_hash for row in rows))
