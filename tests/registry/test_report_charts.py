"""Charts: round ticks, values where they belong, nothing unescaped."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kamerton.registry.report.charts import (
    Bar,
    Interval,
    Line,
    bars,
    histogram,
    intervals,
    lines,
    log_ticks,
    nice_ticks,
    stacks,
)

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
ATTACK = '"><script>alert(1)</script>'


@given(NUMBERS, NUMBERS)
def test_ticks_cover_their_range_in_equal_round_steps(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6 * max(1.0, abs(low), abs(high)))
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= high - 1e-6 * step
    assert 2 <= len(ticks) <= 7


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (5.0, 5.0), (-2.0, -2.0)])
def test_a_flat_range_still_has_two_ticks(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert len(ticks) >= 2
    assert ticks[0] <= low <= ticks[-1]


def test_known_ticks() -> None:
    assert nice_ticks(0, 1, 6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert nice_ticks(0.3, 3.6) == [0, 1, 2, 3, 4]


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_logarithmic_ticks_cover_their_range(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = log_ticks(low, high)
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= low * 1.000001
    assert ticks[-1] >= high * 0.999999
    assert len(ticks) >= 2


def label(value: float) -> str:
    return f"{value:g}"


def chart(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize("width", [340, 780])
def test_a_higher_loss_is_drawn_higher(width: float) -> None:
    curve = Line("training", [(1, 3.0), (50, 1.0), (100, 2.0)], "own")
    svg = lines([curve], width=width, height=280, title="t", description="d", axes=("step", label, label))
    drawn = chart(svg).find(f"{SVG}polyline[@class='curve own']")
    assert drawn is not None
    points = [tuple(map(float, pair.split(","))) for pair in drawn.attrib["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0][1] < points[2][1] < points[1][1]
    assert all(0 <= x <= width and 0 <= y <= 280 for x, y in points)


def test_a_band_reaches_the_spike_that_the_mean_hides() -> None:
    points = [(step, 1.0) for step in range(1, 101)]
    band = [(x, 0.5, 9.0 if x == 50 else 1.5) for x, _ in points]
    svg = lines(
        [Line("training", points, "own", band=band)],
        width=400,
        height=200,
        title="t",
        description="d",
        axes=("s", label, label),
    )
    tree = chart(svg)
    drawn = tree.find(f"{SVG}polygon[@class='band own']")
    assert drawn is not None
    heights = [float(pair.split(",")[1]) for pair in drawn.attrib["points"].split()]
    assert len(heights) == 200
    grid = sorted(float(line.attrib["y1"]) for line in tree.findall(f"{SVG}line[@class='grid']"))
    assert grid[0] <= min(heights) < grid[1], "9 lies under the highest line"
    assert [text.text for text in tree.findall(f"{SVG}text[@class='tick']")].count("10") == 1


def test_marks_stand_at_their_steps_and_say_what_they_are() -> None:
    marks = [(25.0, "alarm", "spike, <step> 25"), (100.0, "resumed", "r"), (101.0, "alarm", "beyond the curve")]
    svg = lines(
        [Line("training", [(0, 1.0), (100, 2.0)], "own", labelled=False)],
        width=400,
        height=200,
        title="t",
        description="d",
        axes=("s", label, label),
        marks=marks,
    )
    tree = chart(svg)
    drawn = tree.findall(f"{SVG}g")
    assert [group.attrib["class"] for group in drawn] == ["event alarm", "event resumed"]
    title = drawn[0].find(f"{SVG}title")
    assert title is not None
    assert title.text == "spike, <step> 25"
    grid = tree.find(f"{SVG}line[@class='grid']")
    line = drawn[0].find(f"{SVG}path")
    assert grid is not None
    assert line is not None
    left, right = float(grid.attrib["x1"]), float(grid.attrib["x2"])
    assert float(line.attrib["d"][1:].split(",")[0]) == pytest.approx(left + (right - left) / 4, abs=0.1)


def test_a_single_step_is_a_dot() -> None:
    svg = lines(
        [Line("training", [(1, 3.0)], "own")],
        width=300,
        height=200,
        title="t",
        description="d",
        axes=("s", label, label),
    )
    assert chart(svg).find(f"{SVG}circle") is not None


def test_labels_at_the_ends_do_not_overlap() -> None:
    series = [Line(name, [(1, 3.0), (9, 1.0)], "own") for name in ("a", "b", "c")]
    svg = lines(series, width=400, height=200, title="t", description="d", axes=("s", label, label))
    places = sorted(float(text.attrib["y"]) for text in chart(svg).findall(f"{SVG}text[@class='name own']"))
    assert all(after - before >= 15 for before, after in pairwise(places))


def test_whiskers_reach_from_low_to_high() -> None:
    row = Interval("this model", 0.5, 0.25, 0.75, "50%", "own")
    svg = intervals([("Accuracy", [row])], width=780, title="t", description="d", axis=((0.0, 1.0), label))
    tree = chart(svg)
    whisker = next(
        line for line in tree.findall(f"{SVG}line[@class='whisker own']") if line.get("y1") == line.get("y2")
    )
    dot = tree.find(f"{SVG}circle")
    assert dot is not None
    ends = (float(whisker.attrib["x1"]), float(whisker.attrib["x2"]))
    assert float(dot.attrib["cx"]) == pytest.approx(sum(ends) / 2, abs=0.2)
    ticks = [float(line.attrib["x1"]) for line in tree.findall(f"{SVG}line[@class='grid']")]
    assert ends[0] == pytest.approx(ticks[0] + 0.25 * (ticks[-1] - ticks[0]), abs=0.2)


def test_a_value_that_cannot_be_computed_has_no_dot() -> None:
    rows = [Interval("a", None, None, None, "—", "own"), Interval("b", 0.5, None, None, "50%", "first")]
    svg = intervals([("Accuracy", rows)], width=340, title="t", description="d", axis=((0.0, 1.0), label))
    tree = chart(svg)
    assert len(tree.findall(f"{SVG}circle")) == 1
    assert tree.findall(f"{SVG}line[@class='whisker first']") == []


def test_equal_values_on_a_logarithmic_axis() -> None:
    rows = [Interval("a", 1.0, 1.0, 1.0, "1", "own")]
    assert "NaN" not in intervals([("", rows)], width=340, title="t", description="d", axis=(None, label))


@pytest.mark.parametrize("width", [340, 780])
def test_labels_of_a_logarithmic_axis_do_not_overlap(width: float) -> None:
    rows = [Interval("a", 2.0, 1.0, 9.0, "2", "own"), Interval("b", 900.0, 600.0, 1900.0, "900", "first")]
    tree = chart(
        intervals([("", rows)], width=width, title="t", description="d", axis=(None, lambda tick: f"{tick:.0f}"))
    )
    labels = [(float(text.attrib["x"]), text.text or "") for text in tree.findall(f"{SVG}text[@class='tick']")]
    assert len(tree.findall(f"{SVG}line[@class='grid']")) >= len(labels) >= 5
    halves = [(x, 6.4 * len(text) / 2) for x, text in labels]
    assert all(one + half < other - next_half for (one, half), (other, next_half) in pairwise(halves))


def test_bars_are_as_long_as_their_values() -> None:
    rows = [Bar("a", 1.0, "100%"), Bar("b", 0.25, "25%", [(0.5, "first", "base: 50%")]), Bar("c", None, "—")]
    tree = chart(bars(rows, width=780, title="t", description="d", most=1.0))
    lengths = [float(bar.attrib["width"]) for bar in tree.findall(f"{SVG}rect[@class='bar']")]
    assert len(lengths) == 2
    assert lengths[1] == pytest.approx(lengths[0] / 4, abs=0.2)
    assert len(tree.findall(f"{SVG}rect[@class='mark first']")) == 1


def test_stacks_show_every_part_that_has_rows() -> None:
    parts = [(30, "part-train", "30"), (0, "part-validation", "0"), (10, "part-test", "10")]
    tree = chart(stacks([("a", parts, "30 + 0 + 10")], width=780, title="t", description="d"))
    assert len(tree.findall(f"{SVG}rect")) == 2


def test_texts_are_escaped() -> None:
    svgs = [
        lines(
            [Line(ATTACK, [(1, 1.0)], "own")],
            width=400,
            height=200,
            title=ATTACK,
            description=ATTACK,
            axes=(ATTACK, label, label),
        ),
        intervals(
            [(ATTACK, [Interval(ATTACK, 0.5, 0.1, 0.9, ATTACK, "own")])],
            width=400,
            title=ATTACK,
            description=ATTACK,
            axis=((0, 1), label),
        ),
        bars([Bar(ATTACK, 0.5, ATTACK, [(0.1, "first", ATTACK)])], width=400, title=ATTACK, description=ATTACK, most=1),
        stacks([(ATTACK, [(1, "part-train", ATTACK)], ATTACK)], width=400, title=ATTACK, description=ATTACK),
    ]
    for svg in svgs:
        assert chart(svg).find(f".//{SVG}script") is None
        assert re.search(r"<script", svg) is None


@pytest.mark.parametrize("width", [340, 780])
def test_a_histogram_has_a_bar_for_each_bin_with_values_and_no_label_over_another(width: float) -> None:
    bins = [(str(edge), count, f"{edge}: {count}") for edge, count in ((10, 4), (20, 0), (50, 9), (1_000_000, 1))]
    drawn = str(histogram(bins, width=width, title="T", description="D", axis="<characters>", count=str))
    assert drawn.count('class="bar"') == 3
    heights = [float(height) for height in re.findall(r'height="([\d.]+)" rx="2" class="bar"', drawn)]
    assert heights[1] == max(heights)
    assert heights[0] == pytest.approx(heights[1] * 4 / 9, rel=0.02)
    assert "&lt;characters&gt;" in drawn
    places = [float(x) for x in re.findall(r'<text x="([\d.]+)"[^>]*class="tick" text-anchor="start"', drawn)]
    assert all(second - first > 7 * 6.4 for first, second in pairwise(places))
