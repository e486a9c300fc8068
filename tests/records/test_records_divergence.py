"""Records of audits cannot claim what they do not show."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kamerton.records.divergence import DivergenceRecord
from kamerton.records.rebuild import SegmentRecord

SEGMENT: dict[str, Any] = {
    "run_id": "r",
    "begin": 4,
    "end": 8,
    "seed": None,
    "run_steps": 12,
    "compared": 4,
    "identical": True,
    "machine_class_equal": True,
    "class_differences": [],
    "first_different_step": None,
    "different_fields": [],
    "what_changed": [],
    "seconds": 1.0,
    "replay_seconds": 0.5,
    "run_seconds": None,
    "finished": "2026-01-01T00:00:00+00:00",
}


def test_a_whole_segment_may_call_itself_identical() -> None:
    assert SegmentRecord(**SEGMENT).identical


@pytest.mark.parametrize(
    "lie", [{"compared": 3}, {"what_changed": ["data: gone"]}, {"first_different_step": 5}, {"identical": False}]
)
def test_a_segment_that_is_not_whole_may_not(lie: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="identical must say"):
        SegmentRecord(**SEGMENT | lie)


def test_runs_with_a_step_that_differs_are_not_identical() -> None:
    with pytest.raises(ValidationError, match="identical runs have no step that differs"):
        DivergenceRecord(
            runs=("a", "b"),
            identical=True,
            what_differs=[],
            steps=(3, 3),
            first_different_step=2,
            different_fields=["loss"],
            replayed_from=None,
            not_replayed=[],
            parting=None,
            reproduced=[],
            conclusion="",
            seconds=1.0,
            finished="",
        )
