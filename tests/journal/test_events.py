"""Events: a line is there whole or not there, and a torn one does not spoil the next."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.errors import StorageError
from kamerton.journal import append_event, processes_of_steps, read_events
from kamerton.journal.lines import append_line, read_lines

FILE = "events.jsonl"


def test_a_step_counts_as_those_made_it_who_made_it_last(tmp_path: Path) -> None:
    append_event(tmp_path, "started", processes=2)
    for step in (1, 2, 3):
        append_event(tmp_path, "step", step=step)
    append_event(tmp_path, "resumed", step=2)
    append_event(tmp_path, "step", step=3)
    assert processes_of_steps(tmp_path) == {1: 2, 2: 2, 3: 1}


def test_events_read_back_in_order_with_their_time(tmp_path: Path) -> None:
    assert read_events(tmp_path) == []
    append_event(tmp_path, "started")
    append_event(tmp_path, "stopped", reason="użytkownik\nzatrzymał")
    first, second = read_events(tmp_path)
    assert (first["kind"], second["kind"], second["reason"]) == ("started", "stopped", "użytkownik\nzatrzymał")
    time = datetime.fromisoformat(first["time"])
    assert time.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2


def test_an_event_can_tell_of_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    append_event(tmp_path, "failed", reason=f"no such file: {os.fsdecode(b'za' + bytes([0xBF]))}")
    assert read_events(tmp_path)[0]["reason"].encode("utf-8", "surrogateescape").endswith(b"za\xbf")


@given(st.integers(0, 10_000), st.integers(0, 3))
def test_a_torn_last_line_costs_itself_alone(tmp_path_factory, cut: int, more: int) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("torn")
    for step in range(3):
        append_event(folder, "step", step=step, note="ż")
    payload = (folder / FILE).read_bytes()
    last = payload.splitlines(keepends=True)[-1]
    cut = cut % len(last)
    (folder / FILE).write_bytes(payload[: len(payload) - len(last) + cut])
    # Without its newline alone the line is torn, and yet whole.
    whole = 2 + (cut == len(last) - 1)
    assert [event["step"] for event in read_events(folder)] == list(range(whole))
    for step in range(more):
        append_event(folder, "step", step=10 + step)
    expected = [*range(whole), *range(10, 10 + more)]
    assert [event["step"] for event in read_events(folder)] == expected
    assert (folder / FILE).read_bytes().endswith(b"\n") or cut or not more


@pytest.mark.parametrize("junk", [b"\xff\xfe\n", b"[1]\n", b"3\n", b"\n", b'{"kind":\n', b"\0\0\n"])
def test_what_is_no_event_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    append_event(tmp_path, "started")
    with (tmp_path / FILE).open("ab") as file:
        file.write(junk)
    append_event(tmp_path, "finished")
    assert [event["kind"] for event in read_events(tmp_path)] == ["started", "finished"]


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, payload: write(handle, payload[:7]))
    append_line(tmp_path / "x.jsonl", {"text": "ż" * 50})
    assert read_lines(tmp_path / "x.jsonl") == [{"text": "ż" * 50}]


def test_a_disk_that_fills_in_the_middle_of_a_line_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, room = os.write, [10]

    def filling(handle: int, payload: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(handle, payload[: room[0]])
        room[0] -= count
        return count

    path = tmp_path / "x.jsonl"
    append_line(path, {"a": 1})
    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(StorageError, match="no space is left") as caught:
        append_line(path, {"b": "x" * 100})
    assert caught.value.where == str(path)
    monkeypatch.undo()
    append_line(path, {"c": 3})
    assert read_lines(path) == [{"a": 1}, {"c": 3}]


WRITER = """
import sys
from pathlib import Path
from kamerton.journal import append_event
for number in range(200):
    append_event(Path(sys.argv[1]), "step", writer=sys.argv[2], number=number, padding="ż" * 300)
"""


def test_two_processes_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    events = read_events(tmp_path)
    # Who looks while the other writes may take its line for a torn one, and ends it with an empty line.
    assert len((tmp_path / FILE).read_bytes().split()) == len(events) == 400
    for name in "ab":
        assert [event["number"] for event in events if event["writer"] == name] == list(range(200))


@given(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=5), max_size=3))
def test_any_document_is_one_line(tmp_path_factory, document: dict[str, Any]) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("line") / "x.jsonl"
    append_line(path, document)
    append_line(path, document)
    assert path.read_bytes().count(b"\n") == 2
    assert read_lines(path) == [document, document]
    assert json.loads(path.read_bytes().splitlines()[0]) == document
