"""The rate is a pure function of the step: it starts above nothing, peaks once, and ends where it should."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.recipe import TrainingSection
from kamerton.training.schedule import rate_share

SCHEDULES = ["cosine", "linear", "constant", "inverse_sqrt"]


def _shares(steps: int, warmup: int, **options: object) -> list[float]:
    training = TrainingSection.model_validate(options)
    return [rate_share(step, steps, warmup, training) for step in range(1, steps + 1)]


@given(st.sampled_from(SCHEDULES), st.integers(1, 60), st.integers(0, 70), st.floats(0, 0.99, exclude_max=True))
def test_every_share_is_a_share_and_no_step_is_empty(schedule: str, steps: int, warmup: int, floor: float) -> None:
    shares = _shares(steps, warmup, schedule=schedule, min_rate_share=floor)
    assert all(0.0 < share <= 1.0 for share in shares)
    rising, falling = shares[:warmup], shares[warmup:]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert all(share >= floor for share in falling)
    if falling:
        assert falling[0] == 1.0


def test_the_courses() -> None:
    assert _shares(4, 0, schedule="linear") == [1.0, 0.75, 0.5, 0.25]
    assert _shares(4, 0, schedule="constant") == [1.0] * 4
    assert _shares(4, 0, schedule="cosine") == pytest.approx([(1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)])
    assert _shares(9, 3, schedule="inverse_sqrt")[3:] == pytest.approx([math.sqrt(4 / k) for k in range(4, 10)])
    assert _shares(3, 3, schedule="cosine") == [0.25, 0.5, 0.75]
    assert _shares(100, 0, schedule="linear", min_rate_share=0.5)[-1] == pytest.approx(0.505)
