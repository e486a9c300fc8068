"""Closed-form intervals against published figures and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.stats import paired_share_interval, unanimous_interval, wilson_interval


def test_wilson_against_published_figures() -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I, method 3.
    for right, n, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]:
        interval = wilson_interval(right / n, n)
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(2, 500), st.data())
def test_wilson_lies_in_the_unit_interval_around_the_share(n: int, data: st.DataObject) -> None:
    share = data.draw(st.integers(0, n)) / n
    interval = wilson_interval(share, n)
    assert interval is not None
    assert 0.0 <= interval.low <= share <= interval.high <= 1.0
    assert interval.high - interval.low > 0


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_items_have_no_interval(n: int) -> None:
    assert wilson_interval(1.0, n) is None
    assert paired_share_interval(n, 0, 0, 0) is None
    assert unanimous_interval(1.0, n, (0.0, 1.0)) is None


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
        ((36, 14, 0, 0), 0.1528, 0.4167),
        ((18, 14, 0, 18), 0.1441, 0.3963),
        ((1, 97, 1, 1), 0.8736, 0.9850),
        ((0, 30, 0, 0), 0.8395, 1.0000),
        ((54, 0, 0, 0), -0.0664, 0.0664),
    ],
)
def test_paired_shares_against_published_figures(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    # Newcombe 1998, Stat. Med. 17:2635, table III, method 10.
    interval = paired_share_interval(*cells)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)


def test_paired_shares_turn_round_with_the_models() -> None:
    there, back = paired_share_interval(20, 12, 2, 16), paired_share_interval(20, 2, 12, 16)
    assert there is not None
    assert back is not None
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_paired_shares_cover_the_truth() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        a, c, b, d = rng.multinomial(60, [0.5, 0.2, 0.1, 0.2])
        interval = paired_share_interval(int(a), int(c), int(b), int(d))
        assert interval is not None
        covered += interval.low <= 0.1 <= interval.high
    assert 0.93 <= covered / 1000 <= 0.98


def test_unanimous_clusters_leave_room_for_the_unseen() -> None:
    interval = unanimous_interval(0.0, 100, (-1.0, 1.0))
    assert interval is not None
    # 1 - 0.025^(1/100): Clopper and Pearson's upper limit of 0 in 100.
    assert (interval.low, interval.high) == pytest.approx((-0.0362, 0.0362), abs=5e-5)
    top = unanimous_interval(1.0, 100, (-1.0, 1.0))
    assert top is not None
    assert top.high == 1.0
    assert top.low == pytest.approx(1 - 2 * 0.0362, abs=1e-4)
