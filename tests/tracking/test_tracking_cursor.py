"""How far a follower has come, without any tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.journal import append_event
from kamerton.tracking.cursor import Cursor, read_cursor, read_entries, write_cursor


def test_a_cursor_comes_back_as_it_was(tmp_path: Path) -> None:
    cursor = Cursor(tracker="t", tracker_run="r", described=True, offset=7, files={"recipe.json": "ab"})
    write_cursor(tmp_path, cursor, "mlflow")
    assert read_cursor(tmp_path, "mlflow") == cursor
    assert read_cursor(tmp_path, "tensorboard") == Cursor(), "each follower has its own"


@pytest.mark.parametrize("damage", [None, b"", b'{"offset": \xff', b'{"offset": "seven"}', b"[]"])
def test_a_lost_or_damaged_cursor_starts_over(tmp_path: Path, damage: bytes | None) -> None:
    if damage is not None:
        (tmp_path / "follower.json").write_bytes(damage)
    assert read_cursor(tmp_path, "mlflow") == Cursor()


def test_lines_are_read_on_from_the_offset(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    assert read_entries(events, 0, 10) == []
    for step in range(5):
        append_event(tmp_path, "step", step=step)
    first = read_entries(events, 0, 2)
    rest = read_entries(events, first[-1].end, 10)
    assert [entry.document["step"] for entry in first + rest] == [0, 1, 2, 3, 4]
    assert rest[-1].end == events.stat().st_size
    assert read_entries(events, rest[-1].end, 10) == []


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    append_event(tmp_path, "step", step=1)
    events = tmp_path / "events.jsonl"
    whole = events.read_bytes()
    events.write_bytes(whole + b'{"kind":"step","st')
    assert [entry.end for entry in read_entries(events, 0, 10)] == [len(whole)]
    assert read_entries(events, len(whole), 10) == []


def test_a_line_that_a_killed_process_left_is_empty(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b'{"kind":"step","lo\n[1]\n\xff\n')
    append_event(tmp_path, "finished")
    assert [entry.document.get("kind") for entry in read_entries(events, 0, 10)] == [None, None, None, "finished"]
