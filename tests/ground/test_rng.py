"""Draws are a pure function of their address."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.rng import draw, shuffled, stream_seed

parts = st.integers() | st.text(st.sampled_from("a1\x1f:strint"), max_size=6) | st.text(max_size=4)
addresses: st.SearchStrategy[tuple[int | str, ...]] = st.lists(parts, max_size=4).map(tuple)


def exact(address: tuple[int | str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((type(part).__name__, str(part)) for part in address)


@given(addresses, addresses)
def test_two_addresses_never_share_a_stream(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    assert (stream_seed(*one) == stream_seed(*other)) == (exact(one) == exact(other))


def test_known_collisions_do_not_happen() -> None:
    alike = [("1",), (1,), (True,), ("int:1",), (1, ""), ("a", "b"), ("a\x1fstr:b",), ("ab",), ("a", "", "b"), ()]
    assert len({stream_seed(*address) for address in alike}) == len(alike)


def test_a_seed_is_the_same_for_ever() -> None:
    """Frozen: another value would train another model from the same recipe."""
    assert stream_seed(42, 0, "row") == 16226343667905873518
    assert draw(42, "split", "ż") == 0.5480693117782488


def test_another_process_draws_the_same() -> None:
    code = "from kamerton.ground.rng import draw; print(repr(draw(7, 'x', 3)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(told) == draw(7, "x", 3)


@given(addresses)
def test_a_draw_is_in_the_half_open_interval(address: tuple[int | str, ...]) -> None:
    assert 0.0 <= draw(*address) < 1.0
    assert draw(*address) == draw(*address)


def test_draws_are_roughly_uniform_and_independent() -> None:
    drawn = [draw(1, "uniform", index) for index in range(10_000)]
    counts = [0] * 20
    for value in drawn:
        counts[int(value * 20)] += 1
    # Chi-square with 19 degrees of freedom; 43.8 is its 99.9 % quantile. The draws are fixed: no luck is involved.
    assert sum((count - 500) ** 2 / 500 for count in counts) < 43.8
    products = [(one - 0.5) * (other - 0.5) for one, other in pairwise(drawn)]
    assert abs(sum(products) / len(products)) < 3 / 12 / len(products) ** 0.5


unique = st.lists(st.text(max_size=5), unique=True, max_size=12)


@given(unique, st.integers(), st.randoms(use_true_random=False))
def test_a_shuffle_does_not_depend_on_the_order_before(ids, seed, random) -> None:  # type: ignore[no-untyped-def]
    order = shuffled(ids, seed)
    assert sorted(order) == list(range(len(ids)))
    other = ids[:]
    random.shuffle(other)
    assert [other[place] for place in shuffled(other, seed)] == [ids[place] for place in order]


def test_a_shuffle_keeps_equal_ids_and_hears_its_address() -> None:
    ids = [str(number) for number in range(50)]
    assert sorted(shuffled(["a", "a", "b"], 1)) == [0, 1, 2]
    assert shuffled(ids, 1, 0) != shuffled(ids, 1, 1)
    assert shuffled(ids, 1, 0) != list(range(50))
    # A row taken out leaves the order of the others as it was.
    without = [ids[place] for place in shuffled(ids, 5) if ids[place] != "7"]
    fewer = [each for each in ids if each != "7"]
    assert [fewer[place] for place in shuffled(fewer, 5)] == without
