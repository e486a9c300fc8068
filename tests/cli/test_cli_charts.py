"""Curves of dots: the right shape, no spike lost, never wider than asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from kamerton.cli.charts import Chart, Series, draw


def series(values: list[float], most: int = 512) -> Series:
    found = Series(most)
    for step, value in enumerate(values, start=1):
        found.add(step, value)
    return found


def plain(values: list[float], width: int = 20, height: int = 2, **more: object) -> list[str]:
    chart = Chart(Text("loss"), series(values), lambda value: f"{value:g}", **more)  # type: ignore[arg-type]
    return [line.plain for line in draw(chart, width, height)]


def test_a_fall_is_a_fall() -> None:
    assert plain([3.0, 2.0, 1.0, 0.0], width=7, height=1) == ["loss", "3 ┤⠉⠒⠤⢄"]


def test_the_axis_has_the_highest_and_the_lowest() -> None:
    lines = plain([3.0, 1.5, 0.25], height=3)
    assert [line.split("┤")[0].split("│")[0].strip() for line in lines[1:]] == ["3", "", "0.25"]


def test_steps_stand_below() -> None:
    lines = plain([1.0] * 1234, width=30, height=2, steps=True)
    assert lines[-1].split() == ["1", "1,234"]
    assert len(lines[-1]) == 30


def test_a_flat_curve_and_a_single_step_are_drawn() -> None:
    for values in ([1.0], [1.0, 1.0]):
        assert any(letter > "⠀" for line in plain(values)[1:] for letter in line.split("┤")[-1])


@pytest.mark.parametrize("at", [0, 1, 17, 4998, 4999])
def test_a_spike_of_one_step_in_thousands_is_drawn_to_the_top(at: int) -> None:
    values = [1.0] * 5000
    values[at] = 50.0
    lines = plain(values, width=40, height=4)
    assert lines[1].startswith("50 ┤")
    assert sum(letter != " " for letter in lines[1].split("┤")[1]) in (1, 2)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.integers(20, 90), st.integers(1, 9))
def test_no_line_is_too_wide_whatever_the_values(values: list[float], width: int, height: int) -> None:
    lines = plain(values, width=width + 14, height=height, steps=True)
    assert len(lines) == height + 2
    assert max(map(len, lines)) <= width + 14


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_thinning_keeps_the_extremes_and_the_ends(values: list[float]) -> None:
    thinned = series(values, most=8).buckets
    assert len(thinned) <= 9
    assert min(bucket.low for bucket in thinned) == min(values)
    assert max(bucket.high for bucket in thinned) == max(values)
    assert (thinned[0].first, thinned[-1].last) == (values[0], values[-1])
    assert (thinned[0].first_step, thinned[-1].last_step) == (1, len(values))
    assert sum(bucket.count for bucket in thinned) == len(values)


def test_a_step_again_replaces_it_and_what_came_after() -> None:
    found = series([5.0, 4.0, 3.0, 9.0])
    found.add(3, 2.5)
    assert [(bucket.last_step, bucket.last) for bucket in found.buckets] == [(1, 5.0), (2, 4.0), (3, 2.5)]


def test_marks_stand_in_their_places_without_colour() -> None:
    marks = Series()
    marks.add(10, 0.0)
    lines = plain([10.0 - step for step in range(1, 11)], width=30, height=5, marks=marks)
    assert [line.count("●") for line in lines] == [0, 0, 0, 0, 0, 1]
    assert lines[-1].endswith("●")
