"""Statistics of sums: values, clusters, jackknife."""

from __future__ import annotations

import numpy as np
import pytest

from kamerton.stats import (
    SumStatistic,
    cluster_indices,
    jackknife_standard_error,
    mean_statistic,
    paired_difference,
)


def test_the_jackknife_of_a_mean_is_the_usual_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=40)
    error = jackknife_standard_error(mean_statistic(values), np.arange(40))
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=1e-12)


def test_the_jackknife_of_equal_clusters_is_that_of_their_means() -> None:
    values = np.random.default_rng(2).normal(size=(12, 5))
    error = jackknife_standard_error(mean_statistic(values.ravel()), np.repeat(np.arange(12), 5))
    assert error == pytest.approx(values.mean(axis=1).std(ddof=1) / np.sqrt(12), rel=1e-12)


@pytest.mark.parametrize("items", [1, 2, 9])
def test_one_cluster_has_no_standard_error(items: int) -> None:
    assert jackknife_standard_error(mean_statistic([0.5] * items), np.zeros(items, dtype=np.int64)) is None


def test_agreeing_clusters_have_a_standard_error_of_exactly_zero() -> None:
    assert jackknife_standard_error(mean_statistic([0.1] * 7), np.arange(7)) == 0.0
    # The differences cancel inside each cluster, but for rounding.
    cancelling = paired_difference(mean_statistic([0.1, 0.3] * 5), mean_statistic([0.3, 0.1] * 5))
    assert jackknife_standard_error(cancelling, np.repeat(np.arange(5), 2)) == 0.0


def test_clusters_are_told_by_id_and_not_by_place() -> None:
    values = np.random.default_rng(3).normal(size=6)
    apart, together = np.array([7, 7, -1, -1, 40, 40]), np.array([7, -1, 40, 7, -1, 40])
    order = [0, 2, 4, 1, 3, 5]
    assert jackknife_standard_error(mean_statistic(values[order]), together) == pytest.approx(
        jackknife_standard_error(mean_statistic(values), apart)
    )


def test_cluster_indices_count_from_zero() -> None:
    indices, count = cluster_indices([9, 9, 2, 5])
    assert indices.tolist() == [2, 2, 0, 1]
    assert count == 3


def test_a_paired_difference_keeps_the_pairing() -> None:
    values = np.random.default_rng(4).normal(size=30)
    shifted = paired_difference(mean_statistic(values + 1), mean_statistic(values))
    assert shifted.value == pytest.approx(1.0)
    assert jackknife_standard_error(shifted, np.arange(30)) == 0.0


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        SumStatistic(np.zeros(3), lambda sums: sums[:, 0])
    with pytest.raises(ValueError, match="2 cluster ids for 3 items"):
        mean_statistic([1, 2, 3]).by_cluster(np.array([0, 1]))
    with pytest.raises(ValueError, match="paired"):
        paired_difference(mean_statistic([1, 2]), mean_statistic([1]))
