"""Sizes: percentiles by hand, and histograms that lose nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.rows import Row
from kamerton.data.statistics.sizes import characters, distribution, turns


def test_percentiles_are_by_the_nearest_rank() -> None:
    found = distribution(list(range(1, 101)))
    assert found is not None
    assert (found.n, found.min, found.p5, found.median, found.mean, found.p95, found.max) == (
        100,
        1,
        5,
        50,
        50.5,
        95,
        100,
    )


def test_no_values_have_no_distribution() -> None:
    assert distribution([]) is None
    assert characters([]) == {}
    assert turns([Row(text="a")]) is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_every_value_stands_in_one_bar(values: list[int]) -> None:
    found = distribution(values)
    assert found is not None
    bins = found.bins
    assert sum(each.count for each in bins) == len(values)
    assert all(each.low < each.high for each in bins)
    assert [each.high for each in bins[:-1]] == [each.low for each in bins[1:]]
    assert bins[0].low <= min(values)
    assert bins[-1].high > max(values)
    for each in bins:
        assert each.count == sum(each.low <= value < each.high for value in values)


@pytest.mark.parametrize("values", [[0], [7] * 5, list(range(16)), [0, 10**6], [3, 10**12], list(range(0, 5000, 7))])
def test_a_histogram_has_a_screen_of_bars_at_most(values: list[int]) -> None:
    found = distribution(values)
    assert found is not None
    assert 1 <= len(found.bins) <= 16
    assert found.bins[0].count
    assert found.bins[-1].count or max(values) >= found.bins[-1].low


def test_edges_are_round() -> None:
    found = distribution([12, 130, 999])
    assert found is not None
    assert [each.low for each in found.bins] == [10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700]


def test_characters_are_those_of_prompt_answer_and_row() -> None:
    system = {"role": "system", "content": "12345"}
    turns_ = ({"role": "user", "content": "żółw"}, {"role": "assistant", "content": "ok"})
    rows = [Row(messages=(system, *turns_)), Row(text="123")]  # type: ignore[arg-type]
    found = characters(rows)
    assert (found["prompt"].n, found["prompt"].max) == (1, 9)
    assert (found["answer"].min, found["answer"].max) == (2, 3)
    assert (found["row"].min, found["row"].max) == (3, 11)
    told = turns(rows)
    assert told is not None
    assert (told.n, told.max) == (1, 3)
