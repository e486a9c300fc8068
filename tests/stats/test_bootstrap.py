"""The cluster bootstrap: coverage by simulation, agreement with scipy, honesty where it cannot be computed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kamerton.stats import (
    FloatArray,
    IntArray,
    SumStatistic,
    bootstrap_interval,
    estimate,
    mean_statistic,
    paired_difference,
)


def _interval(values: FloatArray, clusters: IntArray | None = None, resamples: int = 1000) -> tuple[float, float]:
    ids = np.arange(len(values)) if clusters is None else clusters
    interval = bootstrap_interval(mean_statistic(values), ids, resamples=resamples, confidence=0.95, seed=1)
    assert interval is not None
    return interval.low, interval.high


def test_it_agrees_with_scipy_where_items_are_many() -> None:
    values = np.random.default_rng(1).exponential(size=400)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=2).confidence_interval
    low, high = _interval(values, resamples=4000)
    width = theirs.high - theirs.low
    assert low == pytest.approx(theirs.low, abs=0.05 * width)
    assert high == pytest.approx(theirs.high, abs=0.05 * width)


@pytest.mark.parametrize("n", [10, 40])
def test_it_covers_the_mean_of_few_items(n: int) -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        low, high = _interval(rng.normal(size=n), resamples=500)
        covered += low <= 0.0 <= high
    assert 0.92 <= covered / 400 <= 0.985


def test_it_respects_clusters() -> None:
    """50 clusters of 10 items, intra-cluster correlation 0.5: items alone give far too narrow intervals."""
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(50), 10)
    missed, naive_missed = 0, 0
    for _ in range(300):
        values = (rng.normal(size=50)[:, None] + rng.normal(size=(50, 10))).ravel() / np.sqrt(2)
        low, high = _interval(values, clusters, resamples=400)
        missed += not low <= 0.0 <= high
        low, high = _interval(values, resamples=400)
        naive_missed += not low <= 0.0 <= high
    assert missed / 300 <= 0.09
    assert naive_missed / 300 >= 0.3


def test_a_ratio_is_resampled_as_a_ratio() -> None:
    """Numerator and denominator of a perplexity are drawn together: an exact ratio has no spread."""
    tokens = np.random.default_rng(5).integers(1, 50, size=30).astype(float)
    ratio = SumStatistic(np.column_stack([2 * tokens, tokens]), lambda sums: sums[:, 0] / sums[:, 1])
    found = estimate(ratio, np.arange(30), resamples=500, confidence=0.95, seed=1)
    assert found is not None
    assert found.value == 2.0
    assert found.standard_error == 0.0
    # Without bounds nothing is known of what was not seen.
    assert found.interval is None


def test_pairing_takes_out_what_the_models_share() -> None:
    rng = np.random.default_rng(6)
    hard = rng.normal(size=80)
    a, b = mean_statistic(hard + 0.1 * rng.normal(size=80)), mean_statistic(hard)
    alone = estimate(a, np.arange(80), resamples=500, confidence=0.95, seed=1)
    paired = estimate(paired_difference(a, b), np.arange(80), resamples=500, confidence=0.95, seed=1)
    assert alone is not None
    assert alone.standard_error is not None
    assert paired is not None
    assert paired.standard_error is not None
    assert paired.standard_error < alone.standard_error / 5


def test_the_seed_decides_and_the_block_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(7).normal(size=30)
    first = _interval(values)
    assert first == _interval(values)
    monkeypatch.setattr("kamerton.stats.bootstrap._CELLS", 1000)
    assert first == _interval(values)
    other = bootstrap_interval(mean_statistic(values), np.arange(30), resamples=1000, confidence=0.95, seed=2)
    assert other is not None
    assert first != (other.low, other.high)


@pytest.mark.parametrize("clusters", [[0], [3, 3, 3]])
def test_one_cluster_has_a_value_and_no_interval(clusters: list[int]) -> None:
    statistic = mean_statistic([0.5] * len(clusters))
    ids = np.array(clusters)
    assert bootstrap_interval(statistic, ids, resamples=300, confidence=0.95, seed=1) is None
    found = estimate(statistic, ids, resamples=300, confidence=0.95, seed=1, bounds=(0.0, 1.0), share=True)
    assert found is not None
    assert found.value == 0.5
    assert found.standard_error is None
    assert found.interval is None


@pytest.mark.parametrize(("clusters", "given"), [(2, False), (4, False), (5, True)])
def test_too_few_clusters_have_no_bootstrap(clusters: int, given: bool) -> None:
    """All 4^4 resamples together hold no 95 % interval of four items."""
    values = mean_statistic(np.random.default_rng(9).normal(size=clusters))
    interval = bootstrap_interval(values, np.arange(clusters), resamples=2000, confidence=0.95, seed=1)
    assert (interval is not None) is given


def test_no_items_have_no_estimate() -> None:
    nothing = mean_statistic(np.zeros(0))
    assert estimate(nothing, np.zeros(0, dtype=np.int64), resamples=300, confidence=0.95, seed=1) is None


def test_agreeing_items_get_an_interval_with_width() -> None:
    found = estimate(mean_statistic([0.0] * 50), np.arange(50), resamples=300, confidence=0.95, seed=1, bounds=(0, 1))
    assert found is not None
    assert found.interval is not None
    assert found.interval.method == "unanimous"
    assert found.interval.low == 0.0
    assert found.interval.high == pytest.approx(0.0711, abs=1e-4)


def test_a_resample_without_a_value_gives_no_interval() -> None:
    rare = SumStatistic(
        np.column_stack([np.ones(5), [1.0, 1.0, 0.0, 0.0, 0.0]]),
        lambda sums: np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0),
    )
    assert bootstrap_interval(rare, np.arange(5), resamples=500, confidence=0.95, seed=1) is None


def test_a_share_is_wilson_on_the_effective_number_of_items() -> None:
    doubled = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], 2)
    single = estimate(mean_statistic(doubled[::2]), np.arange(10), resamples=300, confidence=0.95, seed=1, share=True)
    twice = estimate(
        mean_statistic(doubled), np.repeat(np.arange(10), 2), resamples=300, confidence=0.95, seed=1, share=True
    )
    assert single is not None
    assert twice is not None
    assert single.interval is not None
    assert twice.interval is not None
    # Telling every item twice adds nothing.
    assert (twice.interval.low, twice.interval.high) == pytest.approx((single.interval.low, single.interval.high))


def test_a_clustered_share_covers_the_truth() -> None:
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(30), 4)
    covered = 0
    for _ in range(500):
        values = (rng.random((30, 4)) < rng.beta(0.7, 0.3, 30)[:, None]).astype(float).ravel()
        found = estimate(mean_statistic(values), clusters, resamples=300, confidence=0.95, seed=1, share=True)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= 0.7 <= found.interval.high
    assert 0.92 <= covered / 500 <= 0.98
