"""The minimum detectable effect."""

from __future__ import annotations

import numpy as np
import pytest

from kamerton.stats import minimum_detectable_effect, paired_permutation


def test_the_textbook_factor() -> None:
    assert minimum_detectable_effect(1.0, alpha=0.05, power=0.8) == pytest.approx(2.8016, abs=1e-4)


def test_it_is_the_effect_that_is_found_as_often_as_said() -> None:
    effect = minimum_detectable_effect(1 / np.sqrt(60), alpha=0.05, power=0.8)
    assert effect is not None
    rng = np.random.default_rng(1)
    found = [
        (paired_permutation(rng.normal(effect, 1, 60), np.arange(60), seed=1, resamples=199) or 1.0) <= 0.05
        for _ in range(300)
    ]
    assert 0.72 <= np.mean(found) <= 0.87


@pytest.mark.parametrize("error", [None, 0.0])
def test_without_a_spread_there_is_none(error: float | None) -> None:
    assert minimum_detectable_effect(error, alpha=0.05, power=0.8) is None
