"""The three-way merge of rows."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.data.rows import Row
from kamerton.data.versions.changes import Diff, pair_rows
from kamerton.data.versions.merge import Merge, merge


def row(question: str, answer: str) -> Row:
    return Row(messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}))


def counted(rows: list[Row]) -> Counter[str]:
    return Counter(one.row_hash for one in rows)


def merged(base: list[Row], ours: list[Row], theirs: list[Row]) -> tuple[Merge, list[Row]]:
    def way(side: list[Row]) -> Diff:
        known = {one.row_hash: one for one in (*base, *side)}
        old, new = counted(base), counted(side)
        return pair_rows([known[key] for key in (old - new).elements()], [known[key] for key in (new - old).elements()])

    found = merge(way(ours), way(theirs))
    return found, [] if found.conflicts else found.applied(ours)


A, B, C = row("Pytanie a?", "1"), row("Zapytanie b?", "2"), row("Kwestia c?", "3")
A2, A3 = row("Pytanie a?", "jeden"), row("Pytanie a?", "raz")
NEW, OTHER = row("Nowy temat?", "n"), row("Inny wątek?", "o")


def test_changes_of_different_rows_are_done_together() -> None:
    found, rows = merged([A, B, C], [A2, B, C, NEW], [A, C, OTHER])
    assert found.conflicts == []
    assert counted(rows) == counted([A2, C, NEW, OTHER])


def test_the_same_change_on_both_sides_is_done_once() -> None:
    found, rows = merged([A, B, C], [A2, C, NEW], [A2, C, NEW])
    assert found.conflicts == []
    assert counted(rows) == counted([A2, C, NEW])


def test_a_row_changed_in_two_ways_is_a_conflict() -> None:
    found, _ = merged([A, B], [A2, B], [A3, B])
    assert [(c.base, c.ours, c.theirs) for c in found.conflicts] == [(A, A2, A3)]


def test_a_row_changed_here_and_taken_out_there_is_a_conflict() -> None:
    found, _ = merged([A, B], [A2, B], [B])
    assert [(c.base, c.ours, c.theirs) for c in found.conflicts] == [(A, A2, None)]
    found, _ = merged([A, B], [B], [A2, B])
    assert [(c.base, c.ours, c.theirs) for c in found.conflicts] == [(A, None, A2)]


def test_a_prompt_answered_on_both_sides_is_told_and_kept() -> None:
    one, other = row("Nowe?", "tak"), row("Nowe?", "nie")
    found, rows = merged([A], [A, one], [A, other])
    assert found.conflicts == []
    assert found.answered_twice == [(one, other)]
    assert counted(rows) == counted([A, one, other])


def test_copies_of_a_row_are_counted() -> None:
    _, rows = merged([A, A, A], [A, A], [A])
    assert rows == [A], "the side that took more out decides"
    _, rows = merged([A], [A, A], [A, A, A])
    assert rows == [A, A, A]
    _, rows = merged([A, A], [A, A, B], [A])
    assert counted(rows) == counted([A, B])


ROWS = st.lists(st.sampled_from([A, B, C, NEW, OTHER]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS)
def test_one_side_that_did_nothing_takes_the_other(base: list[Row], side: list[Row]) -> None:
    for ours, theirs in ((base, side), (side, base), (side, side)):
        found, rows = merged(base, ours, theirs)
        assert found.conflicts == []
        assert counted(rows) == counted(side)


@settings(max_examples=200, deadline=None)
@given(ROWS, ROWS, ROWS)
def test_the_sides_are_equal(base: list[Row], ours: list[Row], theirs: list[Row]) -> None:
    """Rows of different prompts: whatever two sides did, the merge is the same from either side."""
    one, rows = merged(base, ours, theirs)
    other, back = merged(base, theirs, ours)
    assert len(one.conflicts) == len(other.conflicts) == 0
    assert counted(rows) == counted(back)
