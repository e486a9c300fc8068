"""From the journal to a TensorBoard event file: `tensorboard --logdir .kamerton/tensorboard`.

The file is a pure function of the journal, to the byte. After a kill between writing and noting it is cut back to
what was noted and the same bytes are written again: no step stands in it twice, and a TensorBoard that is reading it
goes on undisturbed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from kamerton.ground.digests import canonical_json, digest, file_digest
from kamerton.ground.files import storage_errors
from kamerton.ground.need import need
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from kamerton.records import RunRecord
from kamerton.tracking.cursor import Cursor, Entry, read_cursor, read_entries, write_cursor
from kamerton.tracking.measures import alarm_name, alarm_sentence, lineage, measures, seconds_of

__all__ = ["event_file", "follow"]

_NAME = "tensorboard"
_BATCH_EVENTS = 1000


def event_file(run: RunFolder, workspace: Workspace) -> Path:
    """Where the run's event file is; TensorBoard knows such files by `tfevents` in their names."""
    return workspace.home / "tensorboard" / run.run_id / "events.out.tfevents.kamerton"


def follow(run: RunFolder, workspace: Workspace) -> Iterator[int]:
    """Bring the event file up to date; yields the number of events that each write carried.

    Raises:
        MissingExtraError: TensorBoard is not installed.
        StorageError: the file cannot be written.
    """
    need("tensorboard", "tensorboard")
    file = event_file(run, workspace)
    cursor = _cursor(run, file)
    with storage_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("r+b" if file.exists() else "w+b") as handle:
            handle.truncate(cursor.size)
            handle.seek(cursor.size)
            yield from _catch_up(run, cursor, handle)


def _cursor(run: RunFolder, file: Path) -> Cursor:
    """How far the file has come; from the beginning where it is another file, or shorter than it was."""
    known = read_cursor(run.path, _NAME)
    there = file.stat().st_size if file.exists() else 0
    if known.tracker == digest(str(file)) and known.size <= there:
        return known
    return Cursor(tracker=digest(str(file)))


def _catch_up(run: RunFolder, cursor: Cursor, handle: BinaryIO) -> Iterator[int]:
    def accept(events: list[Any], **changes: Any) -> None:
        nonlocal cursor
        handle.writelines(_framed(event.SerializeToString(deterministic=True)) for event in events)
        handle.flush()
        os.fsync(handle.fileno())
        cursor = cursor.model_copy(update={"size": handle.tell(), **changes})
        write_cursor(run.path, cursor, _NAME)

    journal = run.events_file
    if not cursor.described:
        accept(_heading(run.recipe(), read_entries(journal, 0, 1)), described=True)
        yield 1
    while entries := read_entries(journal, cursor.offset, _BATCH_EVENTS):
        accept([event for entry in entries for event in _events(entry.document)], offset=entries[-1].end)
        yield len(entries)
    if run.record_file.exists() and cursor.record != (sha := file_digest(run.record_file)):
        record = RunRecord.read(run.record_file)
        time = seconds_of({"time": record.finished})
        accept([_event(time, record.result.steps, _text("lineage", _table(lineage(record))))], record=sha)
        yield 1


def _heading(recipe: dict[str, Any], first: list[Entry]) -> list[Any]:
    time = seconds_of(first[0].document) if first else 0.0
    text = f"```json\n{canonical_json(recipe)}\n```"
    return [_proto("event").Event(wall_time=time, file_version="brain.Event:2"), _event(time, 0, _text("recipe", text))]


def _events(document: Mapping[str, Any]) -> Iterator[Any]:
    """What one line of the journal is in TensorBoard: numbers, an alarm's text, or the mark of a resumption."""
    time, kind = seconds_of(document), document.get("kind")
    if kind == "resumed":
        # TensorBoard forgets what an earlier attempt wrote from this step on.
        proto = _proto("event")
        start = proto.SessionLog(status=proto.SessionLog.START)
        yield proto.Event(wall_time=time, step=int(document.get("step", 0)) + 1, session_log=start)
    elif kind == "alarm":
        summary = _text(f"alarm/{alarm_name(document)}", alarm_sentence(document))
        yield _event(time, int(document.get("step") or 0), summary)
    elif found := list(measures(document)):
        proto = _proto("summary")
        values = [proto.Summary.Value(tag=f"{each.part}/{each.name}", simple_value=each.value) for each in found]
        yield _event(time, int(document["step"]), proto.Summary(value=values))


def _event(time: float, step: int, summary: Any) -> Any:
    return _proto("event").Event(wall_time=time, step=step, summary=summary)


def _text(tag: str, text: str) -> Any:
    """A text, which TensorBoard shows as Markdown."""
    proto = _proto("summary")
    plugin = proto.SummaryMetadata.PluginData(plugin_name="text")
    tensor = _proto("tensor").TensorProto(dtype=_proto("types").DT_STRING, string_val=[text.encode()])
    value = proto.Summary.Value(tag=tag, metadata=proto.SummaryMetadata(plugin_data=plugin), tensor=tensor)
    return proto.Summary(value=[value])


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|-|-|", *(f"| {name} | `{value}` |" for name, value in rows.items())])


def _framed(data: bytes) -> bytes:
    """One record of the TFRecord format: length, its masked CRC-32C, the data, their masked CRC-32C; little-endian."""
    checksum = need("tensorboard.compat.tensorflow_stub.pywrap_tensorflow", "tensorboard").masked_crc32c
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", checksum(length)) + data + struct.pack("<I", checksum(data))


def _proto(name: str) -> Any:
    """TensorBoard's own message types."""
    return need(f"tensorboard.compat.proto.{name}_pb2", "tensorboard")
