"""Paired tests: against scipy, by enumeration, and their false-alarm rates by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from kamerton.stats import (
    SumStatistic,
    mcnemar_exact,
    mean_statistic,
    non_inferiority,
    paired_permutation,
    swap_permutation,
)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(b: int, c: int) -> None:
    expected = binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected)
    assert mcnemar_exact(b, c) == mcnemar_exact(c, b)


def test_mcnemar_of_many_pairs_does_not_overflow() -> None:
    assert mcnemar_exact(5000, 5300) == pytest.approx(binomtest(5000, 10300).pvalue)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 3)


def test_mcnemar_keeps_its_false_alarm_rate_and_finds_a_difference() -> None:
    """500 items, 0.60 against 0.60 and against 0.64 (share of discordant items about 0.15)."""
    rng = np.random.default_rng(1)

    def alarms(only_a: float, only_b: float) -> float:
        draws = rng.multinomial(500, [only_a, only_b, 1 - only_a - only_b], size=1000)
        return float(np.mean([mcnemar_exact(int(b), int(c)) <= 0.05 for b, c, _ in draws]))

    assert 0.02 <= alarms(0.075, 0.075) <= 0.05 + 0.015
    assert alarms(0.095, 0.055) >= 0.5


def test_few_clusters_are_enumerated() -> None:
    differences = np.array([0.4, 0.1, -0.05, 0.3, 0.2])
    flips = [abs(np.dot(signs, differences)) for signs in itertools.product([1, -1], repeat=5)]
    expected = np.mean([flip >= sum(differences) - 1e-12 for flip in flips])
    assert paired_permutation(differences, np.arange(5), seed=1) == pytest.approx(expected)


def test_many_clusters_are_drawn_close_to_the_enumeration() -> None:
    differences = np.random.default_rng(2).normal(0.3, 1, size=16)
    exact = paired_permutation(differences, np.arange(16), seed=1, resamples=2**16)
    drawn = paired_permutation(differences, np.arange(16), seed=1, resamples=20_000)
    assert exact is not None
    assert drawn == pytest.approx(exact, abs=0.015)


def test_a_drawn_p_is_never_zero() -> None:
    assert paired_permutation(np.ones(200), np.arange(200), seed=1, resamples=999) == 1 / 1000


def test_no_difference_has_p_one_and_no_items_none() -> None:
    assert paired_permutation(np.zeros(20), np.arange(20), seed=1) == 1.0
    assert paired_permutation(np.zeros(0), np.zeros(0, dtype=np.int64), seed=1) is None


def test_clusters_without_a_difference_do_not_change_p() -> None:
    differences = np.array([0.4, 0.1, -0.05, 0.3, 0.2])
    padded = np.concatenate([differences, np.zeros(100)])
    assert paired_permutation(padded, np.arange(105), seed=1) == paired_permutation(differences, np.arange(5), seed=1)


def test_the_block_does_not_change_p(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(3).normal(0.2, 1, size=64)
    whole = paired_permutation(differences, np.arange(64), seed=1, resamples=2000)
    # 8 rows of 64 bits are whole bytes, so that the stream of bits is cut and not shifted.
    monkeypatch.setattr("kamerton.stats.paired_tests._CELLS", 512)
    assert paired_permutation(differences, np.arange(64), seed=1, resamples=2000) == whole


def test_the_permutation_keeps_its_false_alarm_rate() -> None:
    rng = np.random.default_rng(4)
    values = [
        paired_permutation(rng.exponential(size=30) * rng.choice([-1, 1], 30), np.arange(30), seed=1, resamples=499)
        or 1.0
        for _ in range(500)
    ]
    assert 0.025 <= np.mean(np.array(values) <= 0.05) <= 0.08


def test_the_permutation_respects_clusters() -> None:
    """50 clusters of 10 items, intra-cluster correlation 0.5, no difference."""
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(50), 10)
    clustered, naive = [], []
    for _ in range(300):
        values = (rng.normal(size=50)[:, None] + rng.normal(size=(50, 10))).ravel()
        clustered.append(paired_permutation(values, clusters, seed=1, resamples=299) or 1.0)
        naive.append(paired_permutation(values, np.arange(500), seed=1, resamples=299) or 1.0)
    assert np.mean(np.array(clustered) <= 0.05) <= 0.085
    assert np.mean(np.array(naive) <= 0.05) >= 0.3


def test_a_ratio_is_tested_by_trading_places() -> None:
    """Each swap moves numerator and denominator of an item to the other model."""
    rng = np.random.default_rng(6)
    tokens = rng.integers(1, 30, size=8).astype(float)
    a, b = tokens * rng.uniform(1, 2, 8), tokens * rng.uniform(1.2, 2.2, 8)

    def ratio(nll: np.ndarray) -> SumStatistic:
        return SumStatistic(np.column_stack([nll, tokens]), lambda sums: sums[:, 0] / sums[:, 1])

    observed = abs(a.sum() - b.sum()) / tokens.sum()
    hits = [
        abs(np.dot(signs, a - b)) / tokens.sum() >= observed - 1e-12 for signs in itertools.product([1, -1], repeat=8)
    ]
    assert swap_permutation(ratio(a), ratio(b), np.arange(8), seed=1) == pytest.approx(np.mean(hits))


def test_swapping_the_models_gives_the_same_p() -> None:
    rng = np.random.default_rng(7)
    a, b = mean_statistic(rng.normal(size=10)), mean_statistic(rng.normal(0.5, 1, size=10))
    there = swap_permutation(a, b, np.arange(10), seed=1)
    assert there == swap_permutation(b, a, np.arange(10), seed=1)


def test_non_inferiority_keeps_its_false_alarm_rate_at_the_margin() -> None:
    rng = np.random.default_rng(8)
    shown = 0
    for _ in range(2000):
        gains = rng.normal(-0.1, 1, size=40)
        p = non_inferiority(gains.mean(), gains.std(ddof=1) / np.sqrt(40), 40, 0.1)
        assert p is not None
        shown += p <= 0.05
    assert 0.035 <= shown / 2000 <= 0.065


def test_non_inferiority_grows_easier_with_the_margin() -> None:
    values = [non_inferiority(-0.01, 0.02, 50, margin) or 0.0 for margin in (0.0, 0.02, 0.05, 0.1)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5
    assert values[-1] < 0.001


def test_non_inferiority_of_equal_answers_depends_on_their_number() -> None:
    few, many = (non_inferiority(0.0, 0.0, n, 0.05, lowest_gain=-1.0) for n in (20, 100))
    # 0.95^n: the chance to miss 5 % of losses n times.
    assert few == pytest.approx(0.95**20)
    assert many == pytest.approx(0.95**100)
    assert non_inferiority(-0.2, 0.0, 100, 0.05, lowest_gain=-1.0) == 1.0


def test_non_inferiority_is_none_where_it_cannot_be_computed() -> None:
    assert non_inferiority(0.1, None, 50, 0.05) is None
    assert non_inferiority(0.1, 0.02, 1, 0.05) is None
    assert non_inferiority(0.0, 0.0, 50, 0.05) is None
    with pytest.raises(ValueError, match="margin"):
        non_inferiority(0.1, 0.02, 50, -0.05)
