"""The trace: what was written reads back, and nothing can be changed unseen."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.digests import canonical_json, digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.journal import Trace, TraceStep, first_difference, read_trace
from kamerton.journal.trace import GENESIS


def append(trace: Trace, count: int, *, loss: float = 2.0, **changed: float) -> None:
    for _ in range(count):
        number = trace.steps + 1
        fields = {"loss": loss / number, "grad_norm": 1.5, "learning_rate": 1e-4, "tokens": 64} | changed
        trace.append(batch=digest(f"batch {number}"), state="", skipped=False, **fields)


def written(folder: Path, count: int) -> list[bytes]:
    """The lines of a fresh trace, each with its newline."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trace.jsonl").unlink(missing_ok=True)
    append(Trace(folder), count)
    return (folder / "trace.jsonl").read_bytes().splitlines(keepends=True)


def put(folder: Path, lines: list[bytes]) -> None:
    (folder / "trace.jsonl").write_bytes(b"".join(lines))


def broken(folder: Path) -> str:
    with pytest.raises(StorageError) as caught:
        read_trace(folder)
    assert caught.value.where.endswith("trace.jsonl")
    return caught.value.what


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    trace = Trace(tmp_path)
    assert (trace.head, trace.steps, read_trace(tmp_path)) == (GENESIS, 0, [])
    append(trace, 3)
    trace.sync()
    steps = read_trace(tmp_path)
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[0].previous == GENESIS
    assert [step.previous for step in steps[1:]] == [step.hash for step in steps[:-1]]
    assert (trace.head, trace.steps) == (steps[-1].hash, 3)
    assert steps[1].loss == 1.0
    body = {key: value for key, value in asdict(steps[1]).items() if key != "hash"}
    assert steps[1].hash == digest(body)


def test_two_equal_runs_give_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a", 4) == written(tmp_path / "b", 4)


COUNT = 6
places = st.integers(0, COUNT - 1)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    folder = tmp_path_factory.mktemp("trace")
    return folder, written(folder, COUNT)


@given(place=places, column=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_changed_byte_is_caught(lines, place: int, column: int, byte: int) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    line = bytearray(whole[place])
    column %= len(line)
    if line[column] == byte or (place == COUNT - 1 and column == len(line) - 1):
        return  # nothing changed, or the last line has become an unfinished one
    line[column] = byte
    put(folder, [*whole[:place], bytes(line), *whole[place + 1 :]])
    assert "broken at step" in broken(folder)


@given(place=st.integers(0, COUNT - 2), count=st.integers(1, 3))
def test_any_removed_line_is_caught(lines, place: int, count: int) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    count = min(count, COUNT - 1 - place)  # at the end nothing shows that lines are missing: the record does
    put(folder, whole[:place] + whole[place + count :])
    assert broken(folder) == f"the hash chain is broken at step {place + 1}"


@given(place=st.integers(0, COUNT), junk=st.binary(max_size=20).map(lambda junk: junk.replace(b"\n", b"") + b"\n"))
def test_any_line_put_in_is_caught(lines, place: int, junk: bytes) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    put(folder, [*whole[:place], junk, *whole[place:]])
    assert broken(folder) == f"the hash chain is broken at step {place + 1}"


@given(one=places, other=places)
def test_swapped_and_repeated_lines_are_caught(lines, one: int, other: int) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    put(folder, [*whole[: one + 1], whole[one], *whole[one + 1 :]])
    assert broken(folder) == f"the hash chain is broken at step {one + 2}"
    swapped = whole[:]
    swapped[one], swapped[other] = swapped[other], swapped[one]
    put(folder, swapped)
    if one == other:
        assert len(read_trace(folder)) == COUNT
    else:
        assert broken(folder) == f"the hash chain is broken at step {min(one, other) + 1}"


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document | {"loss": 0.0},
        lambda document: document | {"note": "more"},
        lambda document: {key: value for key, value in document.items() if key != "tokens"},
        lambda document: document | {"step": True},
        lambda document: document | {"previous": "1" * 64},
        lambda document: [document],
    ],
)
def test_a_line_of_another_form_is_caught_and_not_a_crash(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    whole = written(tmp_path, 2)
    document = change(json.loads(whole[0]))
    put(tmp_path, [canonical_json(document).encode() + b"\n", whole[1]])
    assert broken(tmp_path) == "the hash chain is broken at step 1"
    sealed = {key: value for key, value in document.items() if key != "hash"} if isinstance(document, dict) else {}
    put(tmp_path, [canonical_json(sealed | {"hash": digest(sealed)}).encode() + b"\n", whole[1]])
    assert broken(tmp_path).startswith("the hash chain is broken at step ")


@pytest.mark.parametrize(
    "again", [lambda line: line.replace(b",", b", "), lambda line: b" " + line, lambda line: line.replace(b"2.0", b"2")]
)
def test_the_same_values_written_otherwise_are_caught(tmp_path: Path, again) -> None:  # type: ignore[no-untyped-def]
    """Rebuilds are compared byte for byte, so another spelling is a change."""
    whole = written(tmp_path, 2)
    assert again(whole[0]) != whole[0]
    put(tmp_path, [again(whole[0]), whole[1]])
    assert broken(tmp_path) == "the hash chain is broken at step 1"


def test_a_number_that_json_does_not_have_is_caught(tmp_path: Path) -> None:
    whole = written(tmp_path, 1)
    put(tmp_path, [whole[0].replace(b'"loss":2.0', b'"loss":NaN')])
    assert broken(tmp_path) == "the hash chain is broken at step 1"
    with pytest.raises(RequestError, match="finite"):
        append(Trace(tmp_path), 1, loss=float("nan"))


# Killed in the middle of a line, then resumed.


@given(cut=st.integers(0, 10_000))
def test_a_kill_in_the_middle_of_a_line_costs_that_line_alone(lines, cut: int) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    cut %= len(whole[-1])
    put(folder, [*whole[:-1], whole[-1][:cut]])
    assert len(read_trace(folder)) == COUNT - 1
    trace = Trace(folder)
    trace.keep(COUNT - 1)
    append(trace, 1)
    assert (folder / "trace.jsonl").read_bytes() == b"".join(whole)


@given(kept=st.integers(0, COUNT))
def test_keep_goes_on_as_if_nothing_had_happened(lines, kept: int) -> None:  # type: ignore[no-untyped-def]
    folder, whole = lines
    put(folder, whole)
    trace = Trace(folder)
    trace.keep(kept)
    assert trace.steps == kept
    assert (folder / "trace.jsonl").read_bytes() == b"".join(whole[:kept])
    append(trace, COUNT - kept)
    assert (folder / "trace.jsonl").read_bytes() == b"".join(whole)


def test_keep_does_not_need_what_comes_after_the_checkpoint(tmp_path: Path) -> None:
    """A power cut may leave zeros in blocks that no checkpoint has made durable."""
    whole = written(tmp_path, 4)
    put(tmp_path, [*whole[:2], b"\0" * 300 + b"\n", whole[3]])
    trace = Trace(tmp_path)
    trace.keep(2)
    assert trace.head == read_trace(tmp_path)[-1].hash


def test_keep_refuses_a_trace_that_is_shorter_or_broken(tmp_path: Path) -> None:
    whole = written(tmp_path, 3)
    with pytest.raises(StorageError, match="ends at step 3, before the checkpoint at step 4"):
        Trace(tmp_path).keep(4)
    put(tmp_path, [whole[0], whole[2]])
    with pytest.raises(StorageError, match="broken at step 2"):
        Trace(tmp_path).keep(2)
    assert (tmp_path / "trace.jsonl").read_bytes() == whole[0] + whole[2]
    with pytest.raises(StorageError, match="ends at step 0"):
        Trace(tmp_path / "nowhere").keep(1)


# Where two traces part.


def steps(folder: Path, count: int, **changed: float) -> list[TraceStep]:
    folder.mkdir()
    append(Trace(folder), count, **changed)
    return read_trace(folder)


def test_the_first_difference_is_named(tmp_path: Path) -> None:
    ours = steps(tmp_path / "a", 3)
    assert first_difference(ours, ours) is None
    assert first_difference([], []) is None
    other = steps(tmp_path / "b", 3, grad_norm=1.25, tokens=65)
    assert first_difference(ours, other) == (1, ["grad_norm", "tokens"])

    trace = Trace(tmp_path / "c")
    (tmp_path / "c").mkdir()
    append(trace, 1)
    append(trace, 1, learning_rate=2e-4)
    append(trace, 1)
    later = read_trace(tmp_path / "c")
    assert first_difference(ours, later) == (2, ["learning_rate"])
    assert first_difference(later, ours) == (2, ["learning_rate"])


def test_a_longer_trace_parts_after_the_end_of_the_shorter(tmp_path: Path) -> None:
    ours = steps(tmp_path / "a", 3)
    assert first_difference(ours, ours[:2]) == (3, ["steps"])
    assert first_difference([], ours) == (1, ["steps"])
    forged = [replace(ours[0], loss=9.0), *ours[1:]]
    assert first_difference(ours, forged) is None, "the hash decides; read_trace refuses a forged line"


def test_a_state_that_only_one_run_sealed_is_no_difference(tmp_path: Path) -> None:
    """Runs that write checkpoints at other steps did the same; states that both sealed are compared."""
    traces = []
    for name, states in (("a", ["", "s"]), ("b", ["s", "s"]), ("c", ["t", "t"])):
        (tmp_path / name).mkdir()
        trace = Trace(tmp_path / name)
        for state in states:
            measured = {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 0.1, "tokens": 3}
            trace.append(**measured, batch="b", state=state, skipped=False)
        traces.append(read_trace(tmp_path / name))
    assert first_difference(traces[0], traces[1]) is None
    assert first_difference(traces[0], traces[2]) == (2, ["state"])
    assert first_difference(traces[1], traces[2]) == (1, ["state"])
