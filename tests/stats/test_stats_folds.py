"""The interval of a cross-validation: by hand, wider than the naive one, and honest in a simulation."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.stats.folds import fold_interval


def test_five_folds_by_hand() -> None:
    """s^2 = 0.025; (1/5 + 1/4) s^2 = 0.01125; t at 4 degrees of freedom is 2.77645."""
    found = fold_interval([0.5, 0.6, 0.7, 0.8, 0.9], 0.25)
    assert found is not None
    half = 2.7764451 * math.sqrt(0.45 * 0.025)
    assert (found.low, found.high) == (pytest.approx(0.7 - half), pytest.approx(0.7 + half))
    assert found.method == "nadeau_bengio"


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.floats(0.05, 1), st.floats(0.5, 0.99))
def test_it_is_centred_and_wider_than_of_independent_values(values: list[float], ratio: float, level: float) -> None:
    found, naive = fold_interval(values, ratio, level), fold_interval(values, 0.0, level)
    if found is None or naive is None:
        assert len(set(values)) == 1
        return
    assert (found.low + found.high) / 2 == pytest.approx(fmean(values), abs=1e-6)
    if stdev(values) > 1e-6:
        assert found.high - found.low > naive.high - naive.low


@pytest.mark.parametrize("values", [[], [0.5], [1.0, 1.0, 1.0]])
def test_what_cannot_be_computed_is_none(values: list[float]) -> None:
    assert fold_interval(values, 0.25) is None


def test_it_covers_the_expected_loss_where_the_naive_one_does_not_less() -> None:
    """Five folds of 40 noisy values, the model is the mean of the others: its expected squared error is 1 + 1/32."""
    rng = np.random.default_rng(5)
    hits, naive = 0, 0
    for _ in range(400):
        values = rng.standard_normal(40)
        losses = []
        for fold in range(5):
            held_out = np.arange(40) % 5 == fold
            losses.append(float(np.mean((values[held_out] - values[~held_out].mean()) ** 2)))
        found, plain = fold_interval(losses, 0.25), fold_interval(losses, 0.0)
        assert found is not None
        assert plain is not None
        hits += found.low <= 1 + 1 / 32 <= found.high
        naive += plain.low <= 1 + 1 / 32 <= plain.high
    assert naive < hits
    assert hits / 400 >= 0.95
