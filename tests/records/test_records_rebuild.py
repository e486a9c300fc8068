"""A rebuild's record cannot claim what its digests deny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kamerton.ground.digests import digest
from kamerton.records.rebuild import RebuildRecord


def rebuilt(**changes: Any) -> RebuildRecord:
    fields: dict[str, Any] = {
        "run_id": "urzad-1",
        "recorded_sha256": digest("weights"),
        "rebuilt_sha256": digest("weights"),
        "identical": True,
        "machine_class_equal": True,
        "class_differences": [],
        "first_different_step": None,
        "different_fields": [],
        "what_changed": [],
        "seconds": 12.5,
        "finished": "2026-11-22T06:16:03.870+00:00",
    }
    return RebuildRecord(**fields | changes)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    rebuilt().write(tmp_path / "rebuild.json")
    assert RebuildRecord.read(tmp_path / "rebuild.json") == rebuilt()


@pytest.mark.parametrize(
    "changes",
    [
        {"rebuilt_sha256": digest("other")},
        {"rebuilt_sha256": None},
        {"identical": False},
    ],
)
def test_a_false_claim_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="identical must say"):
        rebuilt(**changes)


def test_a_difference_is_a_record_too() -> None:
    different = rebuilt(rebuilt_sha256=digest("other"), identical=False, first_different_step=3)
    assert different.first_different_step == 3
