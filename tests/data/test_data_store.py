"""The store: versions, tags, diffs; the same rows have the same fingerprint whatever led to them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kamerton.data.rows import Row
from kamerton.data.store import DatasetStore, parse_ref
from kamerton.ground.digests import set_digest
from kamerton.ground.errors import DataError, StorageError
from kamerton.ground.settings import Workspace

pytest.importorskip("lance")


@pytest.fixture
def store(tmp_path: Path) -> DatasetStore:
    return DatasetStore(Workspace(tmp_path, tmp_path / "home"))


def chat_row(number: int, answer: str = "Tak, „żółty”.", line: int = 0) -> Row:
    turns = ({"role": "user", "content": f"Pytanie {number}?"}, {"role": "assistant", "content": answer})
    return Row(messages=turns, category=f"k{number % 3}", group=str(number), file="a.jsonl", line=line or number + 1)  # type: ignore[arg-type]


def many(count: int) -> list[Row]:
    return [chat_row(number) for number in range(count)]


def hashes(rows: Sequence[Row]) -> list[str]:
    return sorted(row.row_hash for row in rows)


def size(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def test_rows_come_back_as_they_were_sorted_by_hash(store: DatasetStore) -> None:
    rows = [*many(20), Row(text="Sam tekst\n\u2028", file="b.txt", line=3), Row(text="")]
    version = store.commit("listy", rows, message="pierwsze", tag="start")
    back = store.rows("listy@start")
    assert back == sorted(rows, key=lambda row: row.row_hash)
    assert [(row.file, row.line) for row in back] == [(r.file, r.line) for r in sorted(rows, key=lambda r: r.row_hash)]
    assert (version.name, version.version, version.rows, version.message) == ("listy", 1, 22, "pierwsze")
    assert version.tags == ["start"]
    assert version.fingerprint == set_digest(row.row_hash for row in rows)
    assert version.created.endswith("+00:00")


def test_the_same_rows_make_no_new_version(store: DatasetStore) -> None:
    first = store.commit("d", many(10))
    again = store.commit("d", list(reversed(many(10))), message="ignored", tag="t")
    assert (again.version, again.message, again.tags) == (first.version, "", ["t"])
    assert len(store.log("d")) == 1


def test_versions_tags_and_log(store: DatasetStore) -> None:
    store.commit("d", many(5), message="one", tag="a")
    store.commit("d", many(6), message="two")
    store.tag("d@v2", "b")
    store.tag("d@v2", "b")
    assert [(v.version, v.tags, v.rows, v.message) for v in store.log("d")] == [
        (2, ["b"], 6, "two"),
        (1, ["a"], 5, "one"),
    ]
    assert store.show("d").version == store.show("d@b").version == store.show("d@v2").version == 2
    assert len(store.rows("d@a")) == 5
    assert store.names() == ["d"]


def test_going_back_is_a_new_version_with_the_old_fingerprint(store: DatasetStore) -> None:
    first = store.commit("d", many(5))
    store.commit("d", many(6))
    third = store.commit("d", many(5))
    assert (third.version, third.fingerprint) == (3, first.fingerprint)
    assert store.rows("d@v1") == store.rows("d@v3")


def test_duplicate_rows_survive(store: DatasetStore) -> None:
    row = chat_row(1)
    store.commit("d", [row, row, chat_row(2)])
    assert len(store.rows("d")) == 3
    store.commit("d", [row, row, row, chat_row(2)])
    assert hashes(store.rows("d")) == hashes([row, row, row, chat_row(2)])
    store.commit("d", [row, chat_row(2)])
    assert hashes(store.rows("d")) == hashes([row, chat_row(2)])
    diff = store.diff("d@v3", "d@v2")
    assert (hashes(diff.added), diff.removed) == (hashes([row, row]), [])
    for number in (1, 2, 3):
        store.verify(f"d@v{number}")


def test_a_diff_names_rows_both_ways(store: DatasetStore) -> None:
    store.commit("d", many(50))
    store.commit("d", [*many(50)[3:], chat_row(7, "inna odpowiedź"), chat_row(99)])
    diff = store.diff("d@v1", "d")
    assert hashes(diff.removed) == hashes(many(3))
    assert hashes(diff.added) == hashes([chat_row(7, "inna odpowiedź"), chat_row(99)])
    back = store.diff("d", "d@v1")
    assert (hashes(back.added), hashes(back.removed)) == (hashes(diff.removed), hashes(diff.added))
    assert store.diff("d", "d").added == []


def test_a_diff_crosses_data_sets(store: DatasetStore) -> None:
    store.commit("d", many(5))
    store.commit("e", many(4))
    assert hashes(store.diff("d", "e").removed) == hashes([chat_row(4)])


def test_a_small_change_adds_little_disk(store: DatasetStore) -> None:
    rows = [chat_row(number, " ".join(str(hash((number, k)) % 9973) for k in range(60))) for number in range(4000)]
    store.commit("d", rows)
    before = size(store.uri("d"))
    store.commit("d", [*rows[40:], *(chat_row(number, "nowa") for number in range(5000, 5040))])
    assert size(store.uri("d")) - before < 0.05 * before
    assert store.verify("d").rows == 4000
    assert store.verify("d@v1").rows == 4000


def test_a_moved_line_is_no_change(store: DatasetStore) -> None:
    store.commit("d", [chat_row(1, line=5)])
    assert store.commit("d", [chat_row(1, line=6)]).version == 1
    assert store.rows("d")[0].line == 5


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=14), min_size=1, max_size=4))
def test_any_history_gives_back_each_version(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[int]]
) -> None:
    root = tmp_path_factory.mktemp("history")
    store = DatasetStore(Workspace(root, root))
    versions = [(store.commit("d", [chat_row(number) for number in numbers]), numbers) for numbers in history]
    for version, numbers in versions:
        rows = store.rows(f"d@v{version.version}")
        assert Counter(row.row_hash for row in rows) == Counter(chat_row(number).row_hash for number in numbers)
        assert store.verify(f"d@v{version.version}") == store.show(f"d@v{version.version}")


@pytest.mark.parametrize("ref", ["", "a/b", "../a", "a@", "a@b@c", "ą", "a b", "@x", ".hidden"])
def test_a_bad_reference(store: DatasetStore, ref: str) -> None:
    with pytest.raises(DataError, match="not a data-set reference"):
        store.rows(ref)


def test_parts_of_a_reference() -> None:
    assert parse_ref("listy-2.0") == ("listy-2.0", "")
    assert parse_ref("listy@v3") == ("listy", "v3")


def test_what_is_not_there_is_named_with_what_is(store: DatasetStore) -> None:
    with pytest.raises(DataError, match="no such data set") as error:
        store.log("d")
    assert error.value.expected == "one of: none yet"
    store.commit("d", many(2), tag="t")
    for ref in ("d@x", "d@v9", "d@v0"):
        with pytest.raises(DataError, match="no such version") as error:
            store.show(ref)
        assert error.value.expected == "one of: t, v1"
    with pytest.raises(DataError, match="no such data set") as error:
        store.diff("d", "e")
    assert error.value.expected == "one of: d"


def test_a_tag_never_moves(store: DatasetStore) -> None:
    store.commit("d", many(2), tag="t")
    with pytest.raises(DataError, match="belongs to v1"):
        store.commit("d", many(3), tag="t")
    assert len(store.log("d")) == 1
    store.commit("d", many(3))
    with pytest.raises(DataError, match="belongs to v1"):
        store.tag("d@v2", "t")
    with pytest.raises(DataError, match="look like a version"):
        store.tag("d", "v7")
    with pytest.raises(DataError, match="look like a version"):
        store.commit("d", many(4), tag="v7")


def test_no_rows_are_refused(store: DatasetStore) -> None:
    with pytest.raises(DataError, match="no rows"):
        store.commit("d", [])
    assert store.names() == []


def test_what_an_interrupted_first_commit_leaves_is_no_data_set(store: DatasetStore) -> None:
    for folder in ("data", "_versions"):
        (Path(store.uri("d")) / folder).mkdir(parents=True)
    (Path(store.uri("d")) / "data" / "half.lance").write_bytes(b"x")
    assert store.names() == []
    assert store.commit("d", many(3)).version == 1
    assert store.verify("d").rows == 3


def test_a_damaged_file_is_found(store: DatasetStore) -> None:
    store.commit("d", many(300))
    data = next((Path(store.uri("d")) / "data").glob("*.lance"))
    content = bytearray(data.read_bytes())
    for place in range(len(content) // 4, len(content) // 2):
        content[place] ^= 0x55
    data.write_bytes(bytes(content))
    with pytest.raises(StorageError):
        store.verify("d")


def test_changed_rows_do_not_verify(store: DatasetStore) -> None:
    import lance

    store.commit("d", many(5))
    dataset = lance.dataset(store.uri("d"))
    properties = dataset.read_transaction(1).transaction_properties
    lance.write_dataset(
        dataset.to_table().slice(0, 4), store.uri("d"), mode="overwrite", transaction_properties=properties
    )
    with pytest.raises(StorageError, match="fingerprint") as error:
        store.verify("d")
    assert error.value.mend


def test_a_stored_hash_that_is_not_its_row_does_not_verify(store: DatasetStore) -> None:
    import lance

    store.commit("d", many(5))
    dataset = lance.dataset(store.uri("d"))
    table = dataset.to_table()
    table = table.set_column(0, table.schema.field(0), [["0" * 64, *table["row_hash"].to_pylist()[1:]]])
    properties = dataset.read_transaction(1).transaction_properties
    lance.write_dataset(table, store.uri("d"), mode="overwrite", transaction_properties=properties)
    with pytest.raises(StorageError, match="stored hash"):
        store.verify("d")


def test_a_foreign_version_is_not_taken_for_ours(store: DatasetStore) -> None:
    import lance

    store.commit("d", many(5))
    lance.dataset(store.uri("d")).delete("line = 1")
    with pytest.raises(StorageError, match="not written by kamerton"):
        store.show("d")
    assert store.verify("d@v1").rows == 5


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("LanceError(IO): No space left on device (os error 28), /a/b.rs:1", "no space is left"),
        ("LanceError(IO): Permission denied (os error 13), /a/b.rs:1", "permission denied"),
    ],
)
def test_disk_errors_are_sentences(store: DatasetStore, monkeypatch: pytest.MonkeyPatch, text: str, what: str) -> None:
    import lance

    def fail(*_: object, **__: object) -> None:
        raise OSError(text)

    store.commit("d", many(2))
    monkeypatch.setattr(lance.fragment, "write_fragments", fail)
    with pytest.raises(StorageError, match=what) as error:
        store.commit("d", many(3))
    assert error.value.mend
    monkeypatch.undo()
    assert store.verify("d").version == 1
    assert store.commit("d", many(3)).version == 2


WRITER = """
import sys
from kamerton.data.rows import Row
from kamerton.data.store import DatasetStore
from kamerton.ground.settings import Workspace
store = DatasetStore(Workspace.at(sys.argv[1]))
rows = [Row(text=f"{n}" + "x" * 200) for n in range(300)]
for step in range(int(sys.argv[2])):
    version = store.commit("d", rows[step:] + [Row(text=f"{sys.argv[3]} {step} {n}") for n in range(step)])
    print(version.version, version.fingerprint, flush=True)
"""


def writer(root: Path, steps: int, name: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "KAMERTON_HOME"}
    command = [sys.executable, "-c", WRITER, str(root), str(steps), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path: Path) -> None:
    process = writer(tmp_path, 10_000, "a")
    assert process.stdout is not None
    reported = [process.stdout.readline() for _ in range(5)]
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    reported += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    store = DatasetStore(Workspace(tmp_path, tmp_path / ".kamerton"))
    versions = {str(version.version): version.fingerprint for version in store.log("d")}
    for line in reported:
        number, _, fingerprint = line.strip().partition(" ")
        assert not fingerprint or len(fingerprint) < 64 or versions[number] == fingerprint
    for version in store.log("d")[:3]:
        store.verify(f"d@v{version.version}")
    store.commit("d", many(3))
    store.verify("d")


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 6, name) for name in ("a", "b")]
    outputs = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(len(output) == 12 for output in outputs)
    store = DatasetStore(Workspace(tmp_path, tmp_path / ".kamerton"))
    for version in store.log("d"):
        assert store.verify(f"d@v{version.version}") == version
