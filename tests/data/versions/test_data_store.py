"""The store: versions, tags, diffs; the same rows have the same fingerprint whatever led to them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kamerton.data.columns import to_table
from kamerton.data.rows import Row
from kamerton.data.versions import lance_files
from kamerton.data.versions.store import DatasetStore, parse_ref
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
    store.commit("d", [*many(50)[3:], chat_row(1, "inna odpowiedź"), chat_row(99)])
    diff = store.diff("d@v1", "d")
    assert hashes(diff.removed) == hashes([chat_row(0), chat_row(2)])
    assert hashes(diff.added) == hashes([chat_row(99)])
    assert [(change.before, change.after.answer) for change in diff.changed] == [(chat_row(1), "inna odpowiedź")]
    back = store.diff("d", "d@v1")
    assert (hashes(back.added), hashes(back.removed)) == (hashes(diff.removed), hashes(diff.added))
    assert [change.after for change in back.changed] == [chat_row(1)]
    same = store.diff("d", "d")
    assert (same.added, same.removed, same.changed) == ([], [], [])


def test_a_diff_counts_copies(store: DatasetStore) -> None:
    store.commit("d", [chat_row(1), chat_row(1), chat_row(2)])
    store.commit("d", [chat_row(1), chat_row(2), chat_row(3), chat_row(3)])
    diff = store.diff("d@v1", "d@v2")
    assert (hashes(diff.removed), hashes(diff.added)) == (hashes([chat_row(1)]), hashes([chat_row(3)] * 2))


def test_rows_of_every_kind_come_back(store: DatasetStore) -> None:
    prompt = ({"role": "user", "content": "Ile?"},)
    calls = [{"name": "licz", "arguments": '{"a": 1}', "id": "c1"}]
    turns = (
        *prompt,
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "licz"},
        {"role": "assistant", "content": "Dwa.", "trained": False},
    )
    answers = tuple({"role": "assistant", "content": text} for text in ("dwa", "trzy", "pięć"))
    rows = [
        Row(messages=turns, tools='[{"name":"licz"}]', task="rachunki", time="2026-01-02"),  # type: ignore[arg-type]
        Row(messages=prompt, ranked=answers),  # type: ignore[arg-type]
        Row(messages=(*prompt, answers[0]), liked=False, augmented_from="0" * 64),  # type: ignore[arg-type]
        Row(text="tekst", category="c"),
    ]
    store.commit("d", rows)
    assert store.rows("d") == sorted(rows, key=lambda row: row.row_hash)
    assert store.kinds("d") == {"conversation", "ranked", "rated", "text"}
    assert store.verify("d").rows == 4


def test_a_version_is_read_row_by_row_in_the_same_order(store: DatasetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = many(400)
    store.commit("d", rows)
    for step in range(1, 6):
        rows = [*rows[7:], *(chat_row(1000 * step + number) for number in range(9))]
        store.commit("d", rows)
    monkeypatch.setattr(lance_files, "_BATCH", 256)
    streamed = list(store.stream("d"))
    assert [row.row_hash for row in streamed] == hashes(rows)
    assert streamed == store.rows("d")
    first = store.stream("d")
    assert next(first) == streamed[0]


def test_a_restored_version_is_the_newest_and_writes_no_rows(store: DatasetStore) -> None:
    first = store.commit("d", [chat_row(number, f"{number} " * 300) for number in range(200)], tag="good")
    store.commit("d", many(3), message="a mistake")
    before = size(store.uri("d") + "/data")
    back = store.restore("d@good")
    assert (back.version, back.fingerprint, back.message, back.tags) == (3, first.fingerprint, "restored from v1", [])
    assert size(store.uri("d") + "/data") == before
    assert store.verify("d") == back
    assert store.rows("d") == store.rows("d@v1")
    assert store.restore("d@v1").version == 3, "what is the newest already is left as it is"
    changed = store.commit("d", [*store.rows("d")[1:], chat_row(999)])
    assert store.verify(f"d@v{changed.version}").rows == 200
    assert store.restore("d@v2", message="after all").message == "after all"
    assert [version.rows for version in store.log("d")] == [3, 200, 200, 3, 200]
    with pytest.raises(DataError, match="no such version"):
        store.restore("d@v77")


def test_a_version_is_found_by_its_rows(store: DatasetStore) -> None:
    first = store.commit("d", many(5))
    store.commit("d", many(6))
    assert store.find("d", first.fingerprint) == first
    assert store.find("d", "0" * 64) is None
    assert store.find("e", first.fingerprint) is None


OLD_COLUMNS = ["row_hash", "kind", "messages", "text", "category", "group", "file", "line"]


def old_set(store: DatasetStore, rows: list[Row]) -> None:
    """A data set as the first release wrote it: without the columns that came later."""
    import lance

    lance.write_dataset(
        to_table(rows).select(OLD_COLUMNS),
        store.uri("d"),
        mode="create",
        data_storage_version="2.2",
        enable_stable_row_ids=True,
        transaction_properties={
            "kamerton.fingerprint": set_digest(row.row_hash for row in rows),
            "kamerton.rows": str(len(rows)),
            "kamerton.created": "2026-01-01T00:00:00+00:00",
            "kamerton.message": "old",
        },
    )


def test_a_data_set_of_the_first_release_is_read_and_goes_on(store: DatasetStore) -> None:
    rows = [*many(30), Row(text="tekst")]
    Path(store.uri("d")).parent.mkdir(parents=True)
    old_set(store, rows)
    assert store.rows("d") == sorted(rows, key=lambda row: row.row_hash)
    assert store.verify("d").message == "old"
    assert store.commit("d", rows).version == 1
    rated = Row(messages=chat_row(1).messages, liked=True, task="t")
    assert store.commit("d", [*rows[1:], rated], tag="new").version == 2
    assert hashes(store.rows("d@new")) == hashes([*rows[1:], rated])
    diff = store.diff("d@v1", "d@v2")
    assert (hashes(diff.removed), hashes(diff.added)) == (hashes(rows[:1]), hashes([rated]))
    store.restore("d@v1")
    store.commit("d", [*rows, rated])
    for version in store.log("d"):
        assert store.verify(f"d@v{version.version}") == version


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_columns_that_are_not_ours_are_refused(store: DatasetStore, change: str) -> None:
    import lance

    store.commit("d", many(3))
    properties = lance.dataset(store.uri("d")).read_transaction(1).transaction_properties
    table = to_table(many(3))
    table = table.append_column("mood", table["text"]) if change == "more" else table.drop_columns(["category"])
    lance.write_dataset(table, store.uri("d"), mode="overwrite", transaction_properties=properties)
    with pytest.raises(StorageError, match="mood" if change == "more" else "category") as error:
        store.rows("d")
    assert "the version of kamerton that wrote it" in error.value.mend


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


@pytest.mark.parametrize("where", ["_versions/*.manifest", "_refs/tags/*.json"])
@pytest.mark.parametrize("damage", ["zeros", "half", "bits", "type"])
def test_damaged_files_that_lance_keeps_are_told_of(store: DatasetStore, where: str, damage: str) -> None:
    store.commit("d", many(30), tag="first")
    (file,) = Path(store.uri("d")).glob(where)
    content = file.read_bytes()
    file.write_bytes(
        {
            "zeros": bytes(len(content)),
            "half": content[: len(content) // 2],
            "bits": bytes(byte ^ 0x55 for byte in content),
            "type": content.replace(b"string", b"strilg"),  # Lance panics at a type that is none
        }[damage]
    )
    for read in (lambda: store.log("d"), lambda: store.verify("d@first"), lambda: store.commit("d", many(31))):
        if file.read_bytes() == content:
            read()
        else:
            with pytest.raises(StorageError) as error:
                read()
            assert error.value.mend
            assert "/home/" not in error.value.what, "where Lance was built is nobody's business"


@pytest.mark.parametrize("row", [Row(text="\ud800", file="a.jsonl", line=3), Row(text="x", category="\udfff")])
def test_half_a_letter_is_refused_with_its_row(store: DatasetStore, row: Row) -> None:
    with pytest.raises(DataError, match="half a surrogate pair") as error:
        store.commit("d", [*many(3), row])
    assert error.value.where == ("a.jsonl:3" if row.file else f"row {row.row_hash[:12]}")
    assert store.names() == []


def test_a_file_name_or_message_that_is_not_utf8_is_escaped(store: DatasetStore) -> None:
    version = store.commit("d", [Row(text="x", file="a\udcff.jsonl")], message="b\udcff")
    assert version.message == "b\\udcff"
    assert store.rows("d")[0].file == "a\\udcff.jsonl"
    assert store.verify("d") == version


def test_a_store_whose_path_is_not_utf8_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a\udcff"
    with pytest.raises(StorageError, match="not UTF-8") as error:
        DatasetStore(Workspace(place, place)).commit("d", many(2))
    assert "KAMERTON_HOME" in error.value.mend


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


@pytest.mark.parametrize("messages", ["5", '["x"]', "null", '[{"role": "user"'])
def test_stored_turns_that_are_none_do_not_verify(store: DatasetStore, messages: str) -> None:
    import lance

    store.commit("d", many(5))
    dataset = lance.dataset(store.uri("d"))
    table = dataset.to_table()
    place = table.schema.get_field_index("messages")
    table = table.set_column(place, table.schema.field(place), [[messages] * 5])
    properties = dataset.read_transaction(1).transaction_properties
    lance.write_dataset(table, store.uri("d"), mode="overwrite", transaction_properties=properties)
    with pytest.raises(StorageError) as error:
        store.verify("d")
    assert error.value.mend


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
