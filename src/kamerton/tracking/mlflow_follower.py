"""From the journal to MLflow: batches of metrics, parameters, tags, data-set inputs, artifacts.

Everything sent can be sent again without harm: MLflow keeps one metric per (key, step, time, value), time comes from
the journal and not from the clock, equal parameters, tags and inputs are accepted, and a file replaces itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kamerton.ground.digests import canonical_json, digest, file_digest
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, RunState
from kamerton.records import RunRecord
from kamerton.tracking.cursor import Cursor, Entry, read_cursor, read_entries, write_cursor
from kamerton.tracking.measures import alarm_name, alarm_sentence, measures, seconds_of
from kamerton.tracking.store import connect

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric
    from mlflow.tracking import MlflowClient

__all__ = ["RUN_TAG", "follow"]

RUN_TAG = "kamerton.run_id"
"""The tag by which a run is found again in MLflow."""

_NAME = "mlflow"
_BATCH_EVENTS = 250
_BATCH_METRICS = 1000
"""The most that MLflow takes at once."""
_BATCH_PARAMETERS = 100
_PARAMETER_CHARS = 500
"""What every MLflow since 1.28 takes; `recipe.json` among the artifacts is whole."""
_KEY_CHARS = 250
_TAG_CHARS = 5000
_STATUS: dict[RunState, str] = {"running": "RUNNING", "complete": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_ARTIFACTS = ("recipe.json", "record.json", "trace.jsonl", "report.html")


def follow(run: RunFolder, workspace: Workspace) -> Iterator[int]:
    """Bring MLflow up to date; yields the number of things that each accepted request carried.

    The cursor is written before each yield, so that whoever stops here loses nothing.
    """
    client = connect(workspace)
    cursor = _attach(client, run, workspace, read_cursor(run.path, _NAME))

    def accept(**changes: Any) -> None:
        nonlocal cursor
        cursor = cursor.model_copy(update=changes)
        write_cursor(run.path, cursor, _NAME)

    if not cursor.described:
        _send_parameters(client, cursor.tracker_run, run.recipe())
        accept(described=True)
        yield 1
    events = run.events_file
    while entries := read_entries(events, cursor.offset, _BATCH_EVENTS):
        _send_entries(client, cursor.tracker_run, entries)
        accept(offset=entries[-1].end)
        yield len(entries)
    if run.record_file.exists() and cursor.record != (sha := file_digest(run.record_file)):
        _send_record(client, cursor.tracker_run, RunRecord.read(run.record_file))
        accept(record=sha)
        yield 1
    state = run.state
    if state != "running":
        for path in _changed(run.path, cursor.files):
            client.log_artifact(cursor.tracker_run, str(path))
            accept(files=cursor.files | {path.name: file_digest(path)})
            yield 1
    if cursor.state != state:
        _send_state(client, cursor.tracker_run, run, state)
        accept(state=state)
        yield 1


def _attach(client: MlflowClient, run: RunFolder, workspace: Workspace, cursor: Cursor) -> Cursor:
    """The cursor of a run that is there: the known one, the one with our tag, or a new one."""
    tracker = digest(workspace.tracking_uri)
    if cursor.tracker == tracker and cursor.tracker_run and _is_there(client, cursor.tracker_run):
        return cursor
    experiment = _experiment(client, run.recipe()["tracking"]["experiment"] or run.recipe()["name"], workspace)
    found = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.run_id}'", max_results=1)
    if found:
        return Cursor(tracker=tracker, tracker_run=found[0].info.run_id)
    created = client.create_run(
        experiment,
        start_time=_started(run),
        tags={RUN_TAG: run.run_id, "kamerton.recipe_digest": digest(run.recipe())},
        run_name=run.run_id,
    )
    fresh = Cursor(tracker=tracker, tracker_run=created.info.run_id, state="running")
    write_cursor(run.path, fresh, _NAME)
    return fresh


def _is_there(client: MlflowClient, tracker_run: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(tracker_run).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _experiment(client: MlflowClient, name: str, workspace: Workspace) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    # A server keeps artifacts where it was told to; a database has no place of its own for them.
    remote = workspace.tracking_uri.startswith(("http:", "https:"))
    location = None if remote else str(workspace.artifacts / "mlflow")
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException as error:
        known = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or known is None:
            raise
        return str(known.experiment_id)


def _started(run: RunFolder) -> int:
    first = read_entries(run.events_file, 0, 1)
    return _milliseconds(first[0].document) if first and "time" in first[0].document else _modified(run)


def _modified(run: RunFolder) -> int:
    """When the journal was last written, in milliseconds."""
    events = run.events_file
    return round((events if events.exists() else run.path / "recipe.json").stat().st_mtime * 1000)


def _milliseconds(event: Mapping[str, Any]) -> int:
    return round(seconds_of(event) * 1000)


def _send_entries(client: MlflowClient, tracker_run: str, entries: list[Entry]) -> None:
    """The numbers of some lines of the journal as metrics; of each alarm the latest as a tag."""
    from mlflow.entities import RunTag

    metrics = [metric for entry in entries for metric in _metrics(entry.document)]
    for start in range(0, len(metrics), _BATCH_METRICS):
        client.log_batch(tracker_run, metrics=metrics[start : start + _BATCH_METRICS])
    alarms = {alarm_name(entry.document): entry.document for entry in entries if entry.document.get("kind") == "alarm"}
    if alarms:
        tags = [RunTag(_name(f"kamerton.alarm.{name}"), alarm_sentence(alarms[name])[:_TAG_CHARS]) for name in alarms]
        client.log_batch(tracker_run, tags=tags)


def _metrics(event: Mapping[str, Any]) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for part, name, value in measures(event):
        key = name if part == "train" else f"eval_{name}"
        yield Metric(_name(key), value, _milliseconds(event), int(event["step"]))


def _send_parameters(client: MlflowClient, tracker_run: str, recipe: dict[str, Any]) -> None:
    from mlflow.entities import Param

    leaves = dict(_leaves(recipe, ()))
    parameters = [Param(_name(key), _shortened(value)) for key, value in leaves.items()]
    for start in range(0, len(parameters), _BATCH_PARAMETERS):
        client.log_batch(tracker_run, params=parameters[start : start + _BATCH_PARAMETERS])


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, (*path, key))
    else:
        yield ".".join(path), value


def _name(key: str) -> str:
    """The key with what MLflow refuses in names replaced."""
    return re.sub(r"[^\w\-. :/]", "_", key)[:_KEY_CHARS]


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _PARAMETER_CHARS else text[: _PARAMETER_CHARS - 1] + "…"


def _send_record(client: MlflowClient, tracker_run: str, record: RunRecord) -> None:
    from mlflow.entities import RunTag

    tags = {
        "kamerton.version": record.code.version,
        "kamerton.code_revision": record.code.revision + ("+" + record.code.dirty[:12] if record.code.dirty else ""),
        "kamerton.data_versions": canonical_json(record.data.versions),
        "kamerton.data_fingerprint": record.data.fingerprint,
        "kamerton.base": record.base.name,
        "kamerton.base_weights": _weights(record.base.weights),
        "kamerton.model_sha256": record.result.model_sha256,
        "kamerton.trace_head": record.result.trace_head,
        "kamerton.machine_class": record.environment.class_digest,
    }
    client.log_inputs(tracker_run, datasets=_inputs(record))
    client.log_batch(tracker_run, tags=[RunTag(key, value) for key, value in tags.items()])


def _weights(files: dict[str, str]) -> str:
    """The SHA-256 of a single weight file, which `sha256sum` shows too; one digest for several; empty for none."""
    return next(iter(files.values()), "") if len(files) < 2 else digest(files)


def _inputs(record: RunRecord) -> list[DatasetInput]:
    """One input a part of the split; MLflow cuts no digest by itself and takes 36 characters."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    versions = record.data.versions
    contexts = {"train": "training"}
    return [
        DatasetInput(
            Dataset(
                name=f"{versions.get(name, versions['train'])}/{name}",
                digest=part.fingerprint[:36],
                source_type="kamerton",
                source=canonical_json({"versions": versions, "fingerprint": record.data.fingerprint}),
                profile=canonical_json({"rows": part.rows}),
            ),
            [InputTag("mlflow.data.context", contexts.get(name, name))],
        )
        for name, part in record.data.parts.items()
    ]


def _changed(folder: Path, sent: dict[str, str]) -> list[Path]:
    paths = [folder / name for name in _ARTIFACTS]
    return [path for path in paths if path.exists() and sent.get(path.name) != file_digest(path)]


def _send_state(client: MlflowClient, tracker_run: str, run: RunFolder, state: RunState) -> None:
    if state == "running":
        client.update_run(tracker_run, status=_STATUS[state])
        return
    complete = state == "complete"
    ended = _milliseconds({"time": RunRecord.read(run.record_file).finished}) if complete else _modified(run)
    client.set_terminated(tracker_run, status=_STATUS[state], end_time=ended)
