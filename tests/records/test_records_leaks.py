"""Which contaminated items count for the verdict."""

from __future__ import annotations

import pytest

from kamerton.records.leaks import ContaminatedItem, LeakMatch, LeakMethod, LeakSet


def _item(*methods: LeakMethod) -> ContaminatedItem:
    matches = [LeakMatch(method=each, part="question", file="f", line=1, score=1.0, text="t") for each in methods]
    return ContaminatedItem(file="t", line=1, row_hash="0", question="q", matches=matches)


@pytest.mark.parametrize(("own", "counted"), [(False, 4), (True, 1)])
def test_of_a_part_that_was_cut_off_equal_items_count(own: bool, counted: int) -> None:
    found = [_item("ngram", "coverage"), _item("exact"), _item("coverage", "near"), _item("embedding")]
    report = LeakSet(
        name="test",
        items=8,
        contaminated=4,
        leaking_rows=4,
        by_method={},
        form_items=0,
        short_items=0,
        found=found,
        canaries=[],
        own=own,
    )
    assert report.counted == counted
    assert report.share == 0.5
