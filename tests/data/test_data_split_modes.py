"""The ways of parting: numbers, strata, groups, time, folds; what may cross, what may move, what is refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kamerton.data.rows import Row
from kamerton.data.split import SplitResult, parted_clusters, split
from kamerton.ground.errors import DataError
from kamerton.ground.rng import draw
from kamerton.recipe import SplitSection

CATEGORIES = ["drogi", "odpady", "zieleń"]


def sides(result: SplitResult) -> dict[str, str]:
    return {row.row_hash: name for name, rows in vars(result).items() for row in rows}


def sizes(result: SplitResult) -> tuple[int, int, int]:
    return len(result.train), len(result.validation), len(result.test)


def row(number: int, **fields: Any) -> Row:
    return Row(text=f"wiersz {number}", file="rows.jsonl", line=number + 1, **fields)


@st.composite
def tables(drawn_from: st.DrawFn) -> tuple[list[Row], list[int]]:
    """Rows with everything that a split can go by, and their clusters."""
    drawn = drawn_from(
        st.lists(
            st.tuples(st.integers(0, 12), st.integers(0, 5), st.sampled_from(CATEGORIES), st.integers(1, 28)),
            min_size=8,
            max_size=50,
        )
    )
    rows = [
        row(number, group=f"g{group}" if group else "", category=category, time=f"2024-03-{day:02}")
        for number, (_, group, category, day) in enumerate(drawn)
    ]
    rows[0] = row(0, group="g1", category="drogi", time="2024")
    return rows, [cluster for cluster, *_ in drawn]


def options(**fixed: Any) -> st.SearchStrategy[SplitSection]:
    portion = st.floats(0, 0.45) | st.integers(1, 3)
    chosen = {"validation": portion, "test": portion, "seed": st.integers(0, 99)}
    return st.builds(SplitSection, **(chosen | {name: st.just(value) for name, value in fixed.items()}))


ANY = st.one_of(
    options(),
    options(stratify="category"),
    options(by="group"),
    options(by="group", stratify="category"),
    options(by="time"),
    options(by="rows"),
)


def crossing(names: Sequence[Any], rows: Sequence[Row], where: dict[str, str]) -> list[Any]:
    """Names that stand on more than one side."""
    found: dict[Any, set[str]] = defaultdict(set)
    for name, each in zip(names, rows, strict=True):
        found[name].add(where[each.row_hash])
    return [name for name, several in found.items() if len(several) > 1]


@given(tables(), ANY, st.randoms(use_true_random=False))
def test_every_row_comes_once_and_the_order_of_rows_does_not_matter(table, section, luck) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    result = split(rows, clusters, section)
    assert sorted(each.line for part in vars(result).values() for each in part) == list(range(1, len(rows) + 1))
    order = list(range(len(rows)))
    luck.shuffle(order)
    moved = split([rows[place] for place in order], [-clusters[place] for place in order], section)
    assert sides(moved) == sides(result)


@given(tables(), st.one_of(options(), options(stratify="category"), options(by="time")))
def test_no_cluster_crosses(table, section) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    assert not crossing(clusters, rows, sides(split(rows, clusters, section)))


@given(tables(), st.integers(2, 3), st.sampled_from(["none", "category"]), st.integers(0, 9))
def test_folds_are_disjoint_and_whole_and_the_test_part_is_fixed(table, folds, stratify, seed) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    plain = SplitSection(test=2, validation=1, stratify=stratify, seed=seed)
    try:
        parted = [
            split(rows, clusters, plain.model_copy(update={"folds": folds, "fold": number})) for number in range(folds)
        ]
    except DataError as error:
        if "is empty" not in error.what:
            raise
        return
    test = sides(split(rows, clusters, plain.model_copy(update={"validation": 0.0})))
    seen: Counter[str] = Counter()
    for each in parted:
        assert not crossing(clusters, rows, sides(each))
        assert {name for name, side in sides(each).items() if side == "test"} == {
            name for name, side in test.items() if side == "test"
        }
        assert each.train
        assert each.validation
        seen.update(found.row_hash for found in each.validation)
    assert seen == Counter(name for name, side in test.items() if side == "train")


def test_clusters_that_the_options_part_are_told() -> None:
    rows = [row(number, group=f"g{number % 9}") for number in range(90)]
    clusters = [number // 3 for number in range(90)]
    for by in ("group", "rows"):
        parted = split(rows, clusters, SplitSection(by=by, test=0.4, validation=0.2))
        where = sides(parted)
        found = parted_clusters(rows, clusters, parted)
        assert [each.line for each in found] == [3 * cluster + 1 for cluster in crossing(clusters, rows, where)]
        assert found
        counts = Counter(where[each.row_hash] for each in rows[found[0].line - 1 : found[0].line + 2])
        said = ", ".join(f"{count} in {name}" for name, count in sorted(counts.items()))
        assert found[0].message == f"rows alike this one stand on several sides: {said}"
        assert found[0].severity == "warning"
    assert parted_clusters(rows, clusters, split(rows, clusters, SplitSection(test=0.4))) == []


@given(tables(), st.one_of(options(by="group"), options(by="group", stratify="category")))
def test_no_group_crosses(table, section) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    where = sides(split(rows, clusters, section))
    assert set(crossing([each.group for each in rows], rows, where)) <= {""}


# When the set grows.


@given(
    tables(),
    st.integers(0, 9),
    st.integers(1, 20),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
    st.sampled_from(["near_duplicates", "group", "rows"]),
)
def test_new_rows_move_no_other_cluster(table, seed, more, validation, test, by) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    section = SplitSection(validation=validation, test=test, by=by, seed=seed)
    new = [row(1000 + number, group=f"new {number % 3}") for number in range(more)]
    before = sides(split(rows, clusters, section))
    after = sides(split([*new, *rows], [*range(100, 100 + more), *clusters], section))
    assert before.items() <= after.items()


def test_a_group_keeps_its_side_when_it_grows() -> None:
    section = SplitSection(by="group", test=0.4, validation=0.2)
    rows = [row(number, group=f"g{number % 20}") for number in range(60)]
    before = sides(split(rows[:40], [0] * 40, section))
    after = sides(split(rows, [0] * 60, section))
    assert before.items() <= after.items()
    assert set(before.values()) == {"train", "validation", "test"}


@given(tables(), st.integers(0, 9), st.integers(1, 4), st.integers(2, 12), st.sampled_from(["none", "category"]))
def test_with_a_number_only_clusters_at_the_boundary_move(table, seed, more, test, stratify) -> None:  # type: ignore[no-untyped-def]
    """A cluster drawn so early that it fits even behind all new rows stays."""
    rows, clusters = table
    rows = [row(number, category="drogi") for number in range(len(rows))]
    section = SplitSection(test=min(test, len(rows) - 1), validation=0.0, stratify=stratify, seed=seed)
    members: dict[int, list[str]] = defaultdict(list)
    for each, cluster in zip(rows, clusters, strict=True):
        members[cluster].append(each.row_hash)
    certain, count = set(), 0
    for names in sorted(members.values(), key=lambda names: draw("split", seed, min(names))):
        count += len(names)
        if count + more <= section.test:
            certain.update(names)
    new = [row(1000 + number, category="drogi") for number in range(more)]
    after = split([*rows, *new], [*clusters, *range(100, 100 + more)], section)
    assert certain <= {each.row_hash for each in after.test}


def test_one_more_row_pushes_out_one_row_at_most() -> None:
    section = SplitSection(test=20, validation=15, seed=3)
    rows = [row(number) for number in range(300)]
    for size in range(200, 300, 7):
        before = sides(split(rows[:size], range(size), section))
        after = sides(split(rows[: size + 1], range(size + 1), section))
        moved = {(side, after[name]) for name, side in before.items() if after[name] != side}
        count = sum(after[name] != side for name, side in before.items())
        assert count <= 2
        assert moved <= {("test", "validation"), ("validation", "train")}


def test_a_share_beside_a_number_does_not_move() -> None:
    section = SplitSection(test=100, validation=0.3)
    rows = [row(number) for number in range(400)]
    before, after = (sides(split(rows[:size], range(size), section)) for size in (300, 400))
    moved = [side for name, side in before.items() if after[name] != side]
    assert set(moved) == {"test"}
    assert abs(Counter(after.values())["validation"] / 300 - 0.3) < 0.08


# How much each part takes.


def test_numbers_are_met_exactly_where_clusters_allow() -> None:
    rows = [row(number) for number in range(100)]
    assert sizes(split(rows, range(100), SplitSection(test=17, validation=5))) == (78, 5, 17)
    pairs = [number // 2 for number in range(100)]
    assert sizes(split(rows, pairs, SplitSection(test=17, validation=4))) == (80, 4, 16)


def test_a_large_cluster_does_not_burst_a_number() -> None:
    rows = [row(number) for number in range(100)]
    clusters = [0] * 60 + list(range(1, 41))
    for seed in range(20):
        assert sizes(split(rows, clusters, SplitSection(test=10, validation=5, seed=seed))) == (85, 5, 10)


def test_each_part_has_the_same_share_of_each_category() -> None:
    rows = [row(number, category=CATEGORIES[min(number // 60, 2)]) for number in range(140)]
    result = split(rows, range(140), SplitSection(test=0.25, validation=0.1, stratify="category"))
    assert Counter(each.category for each in result.test) == {"drogi": 15, "odpady": 15, "zieleń": 5}
    assert Counter(each.category for each in result.validation) == {"drogi": 6, "odpady": 6, "zieleń": 2}


def test_what_rounding_leaves_goes_where_it_is_owed() -> None:
    rows = [row(number, category="a" if number < 21 else "z") for number in range(50)]
    result = split(rows, range(50), SplitSection(test=10, validation=0, stratify="category"))
    assert Counter(each.category for each in result.test) == {"a": 4, "z": 6}


def test_small_categories_together_still_get_their_share() -> None:
    """Each of 50 categories is owed half a row: rounded one by one, none would get any."""
    rows = [row(number, task=f"t{number % 50}") for number in range(150)]
    result = split(rows, range(150), SplitSection(test=0.16, validation=0, stratify="task"))
    assert len(result.test) == 24
    assert max(Counter(each.task for each in result.test).values()) == 1


def test_stratified_folds_are_alike() -> None:
    rows = [row(number, category=CATEGORIES[number % 3]) for number in range(120)]
    for fold in range(4):
        section = SplitSection(test=0.25, stratify="category", folds=4, fold=fold)
        result = split(rows, range(120), section)
        counts = Counter(each.category for each in result.validation)
        assert set(counts) == set(CATEGORIES)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert 22 <= len(result.validation) <= 23


# Time.


@given(tables(), options(by="time"))
def test_nothing_in_training_is_newer_than_what_a_later_part_is_measured_at(table, section) -> None:  # type: ignore[no-untyped-def]
    rows, clusters = table
    rows = [row(number, time=f"2024-03-{1 + number % 28:02}") for number in range(len(rows))]
    result = split(rows, clusters, section)
    newest: dict[int, str] = defaultdict(str)
    for each, cluster in zip(rows, clusters, strict=True):
        newest[cluster] = max(newest[cluster], each.time)
    when = {each.row_hash: newest[cluster] for each, cluster in zip(rows, clusters, strict=True)}
    order = [[when[each.row_hash] for each in part] for part in (result.train, result.validation, result.test)]
    before = ""
    for times in order:
        assert not times or before <= min(times)
        before = max([before, *times])


def test_the_newest_rows_are_the_test_part() -> None:
    rows = [row(number, time=f"20{number:02}-01-01") for number in range(100)]
    result = split(rows, range(100), SplitSection(by="time", test=0.2, validation=7))
    assert [each.time[:4] for each in result.test] == [f"20{year}" for year in range(80, 100)]
    assert [each.time[:4] for each in result.validation] == [f"20{year}" for year in range(73, 80)]


def test_a_cluster_stands_where_its_newest_row_stands() -> None:
    rows = [row(number, time=f"20{number:02}") for number in range(20)]
    clusters = [99, *range(1, 19), 99]
    result = split(rows, clusters, SplitSection(by="time", test=2, validation=0.0))
    assert [each.time for each in result.test] == ["2000", "2019"]


def test_a_large_newest_cluster_is_not_passed_over() -> None:
    rows = [row(number, time=f"20{number:02}") for number in range(20)]
    result = split(rows, [0] * 10 + [1] * 10, SplitSection(by="time", test=1, validation=0.0))
    assert [each.time for each in result.test] == [f"20{year}" for year in range(10, 20)]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2024-05-30", "2024-05"),
        ("2024-12-30T23:00:00", "2024"),
        ("2024-05-31T23:00:00Z", "2024-05-31"),
        ("2024-05-31T12:00:00+02:00", "2024-05-31T11:00:00"),
        ("2024-05-31 09:00", "2024-05-31T09:00:01Z"),
        ("2024-02-28", "2024-02"),
        ("20240531", "2024-06-01"),
    ],
)
def test_which_of_two_times_is_newer(older: str, newer: str) -> None:
    for rows in ([row(0, time=older), row(1, time=newer)], [row(1, time=newer), row(0, time=older)]):
        (newest,) = split(rows, [0, 1], SplitSection(by="time", test=1, validation=0.0)).test
        assert newest.time == newer


@pytest.mark.parametrize(
    "bad", ["", "wczoraj", "31.05.2024", "2024-13", "0000", "2024-02-30", "1717171717", "9999-12-32"]
)
def test_rows_without_a_time_are_named(bad: str) -> None:
    rows = [row(number, time="2024" if number % 2 else bad) for number in range(12)]
    with pytest.raises(DataError) as caught:
        split(rows, range(12), SplitSection(by="time"))
    assert "6 of 12 rows have no time that can be read" in caught.value.what
    assert caught.value.where == "rows.jsonl:1, rows.jsonl:3, rows.jsonl:5"
    assert (repr(bad) if bad else "none") in caught.value.what


@pytest.mark.parametrize("last", ["9999", "9999-12-31T23:59:59.999999-12:00", "0001-01-01T00:00:00+14:00"])
def test_the_ends_of_the_calendar_are_times_or_named(last: str) -> None:
    rows = [row(0, time="2024"), row(1, time=last)]
    try:
        split(rows, [0, 1], SplitSection(by="time", test=1, validation=0.0))
    except DataError as error:
        if repr(last) not in error.what:
            raise


# What is refused.


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"by": "group"}, "no row has a group"),
        ({"stratify": "category"}, "no row has a category"),
        ({"stratify": "task"}, "no row has a task"),
        ({"test": 9, "validation": 1}, "ask for 10 rows of 10: none is left"),
        ({"test": 200}, "none is left to train on"),
        ({"test": 6, "validation": 0.45}, "none is left to train on"),
        ({"folds": 20}, "is empty"),
        ({"folds": 9, "test": 2}, "is empty"),
    ],
)
def test_what_cannot_be_done_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        split([row(number) for number in range(10)], range(10), SplitSection(**fields))
    assert caught.value.mend


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"by": "time", "stratify": "category"}, "a time of its own"),
        ({"by": "time", "folds": 3}, "newer than those"),
        ({"fold": 1}, "with folds only"),
        ({"folds": 3, "fold": 3}, "counted from 0"),
        ({"test": 0.6, "validation": 0.4}, "leave something"),
        ({"test": 1.0}, "less than 1"),
        ({"test": 2.5}, "less than 1"),
        ({"test": -1}, "greater than or equal"),
        ({"test": True}, "valid"),
        ({"test": float("nan")}, "finite"),
    ],
)
def test_a_recipe_that_cannot_mean_it_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        SplitSection(**fields)


def test_a_whole_number_survives_the_recipe_document() -> None:
    section = SplitSection(test=200, validation=0)
    assert SplitSection.model_validate(section.model_dump(mode="json")) == section
    assert isinstance(section.test, int)
    assert isinstance(section.validation, float)


def test_no_rows_are_no_parts() -> None:
    assert sizes(split([], [], SplitSection(by="group", stratify="task"))) == (0, 0, 0)
