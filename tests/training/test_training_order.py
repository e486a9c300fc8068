"""The order of examples is a pure function, and batches hold what they should."""

from __future__ import annotations

import dataclasses
import hashlib
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.errors import DataError
from kamerton.recipe import TrainingSection
from kamerton.training.examples import Example, TokenSequence
from kamerton.training.order import epoch_order, epoch_size, plan_steps, step_digest, times_seen


def _sequence(length: int, first: int = 1) -> TokenSequence:
    ids = list(range(first, first + length))
    return TokenSequence.of(ids, [-100, *ids[1:]][:length])


def _example(name: str, length: int) -> Example:
    return Example(name, (_sequence(length),))


def _order(examples: list[Example], width: int, seed: int, epoch: int) -> list[int]:
    return epoch_order(examples, width, seed, epoch, grouped=True)


EXAMPLES = st.lists(st.tuples(st.text(max_size=4), st.integers(1, 9)), max_size=90, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [_example(name, length) for name, length in pairs]
)
MANY = [_example(f"row-{number}", 1 + number % 37) for number in range(200)]
GOLDEN = ["6594380e67b0cfd6", "c737165ad2a5846b"]
FIRST = [9, 10, 11, 12, 0, 37, 1, 38, 2, 39, 3, 4]


@given(EXAMPLES, st.integers(1, 7), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_is_a_permutation_and_pure(examples: list[Example], width: int, seed: int, epoch: int) -> None:
    for grouped in (True, False):
        order = epoch_order(examples, width, seed, epoch, grouped=grouped)
        assert sorted(order) == list(range(len(examples)))
        assert epoch_order(examples, width, seed, epoch, grouped=grouped) == order


@given(EXAMPLES, st.integers(1, 7), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_given(examples: list[Example], width: int, luck: Random) -> None:
    moved = list(examples)
    luck.shuffle(moved)
    ids = [examples[index].id for index in _order(examples, width, 3, 1)]
    assert [moved[index].id for index in _order(moved, width, 3, 1)] == ids


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    orders = {tuple(_order(MANY, 4, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    together = [{frozenset(order[at : at + 4]) for at in range(0, 200, 4)} for order in orders]
    assert max(len(one & other) for one in together for other in together if one is not other) < 10
    in_order = _order(MANY, 4, 0, 0)
    assert in_order != sorted(in_order)


def test_global_generators_take_no_part() -> None:
    torch.manual_seed(1)
    before = _order(MANY, 4, 7, 2)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert _order(MANY, 4, 7, 2) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_neighbours_are_alike_in_length_but_batches_come_in_random_order() -> None:
    order = _order(MANY, 4, 7, 0)
    batches = [[MANY[index].length for index in order[start : start + 4]] for start in range(0, 200, 4)]
    spread = sum(max(batch) - min(batch) for batch in batches) / len(batches)
    assert spread < 4
    assert [max(batch) for batch in batches] != sorted(max(batch) for batch in batches)


def test_only_the_last_batch_is_short() -> None:
    """Else the trainer's cuts would not fall on the batches that the order made."""
    examples = [_example(str(number), 1 + number % 5) for number in range(4 * 16 * 2 + 3)]
    order = _order(examples, 4, 1, 0)
    lengths = [[examples[index].length for index in order[start : start + 4]] for start in range(0, len(order), 4)]
    assert all(max(batch) - min(batch) <= 1 for batch in lengths[:-1])
    assert len(lengths[-1]) == 3


# Weights.


def _weighted(weights: list[float], length: int = 5) -> list[Example]:
    return [
        dataclasses.replace(_example(f"row-{number}", 1 + number % length), weight=weight)
        for number, weight in enumerate(weights)
    ]


WEIGHTS = st.lists(st.floats(0.01, 4) | st.sampled_from([1.0, 2.0]), max_size=60)


def test_with_unit_weights_the_order_is_the_one_of_old_runs() -> None:
    """The orders of a run that was made before there were weights; a rebuild needs them to the last place."""
    found = [_order(MANY, width, 7, epoch) for width, epoch in ((4, 2), (3, 0))]
    assert [hashlib.sha256(str(order).encode()).hexdigest()[:16] for order in found] == GOLDEN
    assert _order(MANY[:40], 4, 7, 2)[:12] == FIRST


@given(WEIGHTS, st.integers(1, 7), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_shows_each_example_as_often_as_it_is_seen(
    weights: list[float], width: int, seed: int, epoch: int
) -> None:
    examples = _weighted(weights)
    order = _order(examples, width, seed, epoch)
    times = [times_seen(example, seed, epoch) for example in examples]
    assert [order.count(index) for index in range(len(examples))] == times
    assert all(0 <= seen - int(weight) <= (weight != int(weight)) for seen, weight in zip(times, weights, strict=True))
    assert epoch_size(examples, seed, epoch) == len(order)


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_how_often_an_example_is_seen_does_not_depend_on_the_others(weights: list[float], luck: Random) -> None:
    examples = _weighted(weights)
    moved = [example for example in examples if luck.random() < 0.5]
    luck.shuffle(moved)
    for example in moved:
        assert times_seen(example, 3, 1) == _order(examples, 2, 3, 1).count(examples.index(example))
    if len(moved) == len(examples):
        ids = [examples[index].id for index in _order(examples, 2, 3, 1)]
        assert [moved[index].id for index in _order(moved, 2, 3, 1)] == ids


def test_over_many_epochs_each_weight_is_met() -> None:
    examples = _weighted([0.25, 1.0, 1.7, 3.0, 0.0125])
    shown = [sum(times_seen(example, 5, epoch) for epoch in range(4000)) / 4000 for example in examples]
    for mean, example in zip(shown, examples, strict=True):
        rest = example.weight % 1
        assert abs(mean - example.weight) <= 4 * (rest * (1 - rest) / 4000) ** 0.5


def test_the_showings_of_one_example_stand_apart() -> None:
    """Each has an address of its own, so that they do not come in one batch (among rows of one length)."""
    order = _order(_weighted([8.0] + [1.0] * 192, 1), 8, 1, 0)
    places = [place for place, index in enumerate(order) if index == 0]
    assert len(places) == 8
    assert len({place // 8 for place in places}) >= 5


def test_only_the_last_batch_of_a_weighted_epoch_is_short() -> None:
    examples = _weighted([0.5 + number % 3 for number in range(150)])
    order = _order(examples, 4, 1, 0)
    lengths = [[examples[index].length for index in order[start : start + 4]] for start in range(0, len(order), 4)]
    assert all(max(batch) - min(batch) <= 1 for batch in lengths[:-1])


def test_packed_sequences_need_no_neighbours_of_their_length() -> None:
    order = epoch_order(MANY, 4, 7, 0, grouped=False)
    spread = [max(part) - min(part) for part in _lengths_of_steps(order)]
    assert sum(spread) / len(spread) > 12


def _lengths_of_steps(order: list[int]) -> list[list[int]]:
    return [[MANY[index].length for index in order[start : start + 4]] for start in range(0, len(order), 4)]


# Plans.


def _options(**changes: object) -> TrainingSection:
    return TrainingSection.model_validate({"batch_size": 3, "seed": 5, **changes})


def test_a_plan_shows_each_example_once_an_epoch() -> None:
    plan = plan_steps(MANY[:10], _options(epochs=2))
    assert (plan.steps, plan.steps_per_epoch, plan.epochs) == (8, 4, (4, 4))
    for epoch in range(2):
        seen = [example.id for step in range(1 + 4 * epoch, 5 + 4 * epoch) for example in plan.step(step)]
        assert sorted(seen) == sorted(example.id for example in MANY[:10])
    assert [plan.epoch_of(step) for step in (1, 4, 5, 8)] == [(0, 0), (0, 3), (1, 0), (1, 3)]
    with pytest.raises(IndexError):
        plan.epoch_of(9)


def test_a_step_of_a_plan_does_not_depend_on_the_steps_asked_before() -> None:
    whole = plan_steps(MANY[:10], _options(epochs=3))
    asked = [[each.id for each in whole.step(step)] for step in range(1, 13)]
    for step in (12, 1, 7, 7, 2):
        assert [each.id for each in plan_steps(MANY[:10], _options(epochs=3)).step(step)] == asked[step - 1]
        assert [each.id for each in whole.step(step)] == asked[step - 1]


@pytest.mark.parametrize(
    ("changes", "steps", "warmup"),
    [
        ({"epochs": 0.5}, 2, 1),
        ({"epochs": 1.5}, 6, 1),
        ({"max_steps": 7, "epochs": 1}, 7, 1),
        ({"max_steps": 40}, 40, 2),
        ({"epochs": 1, "warmup_steps": 0}, 4, 0),
    ],
)
def test_steps_and_warmup(changes: dict[str, object], steps: int, warmup: int) -> None:
    plan = plan_steps(MANY[:10], _options(**changes))
    assert (plan.steps, plan.warmup) == (steps, warmup)
    assert sum(plan.epochs) >= steps


def test_weights_that_show_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="without any row"):
        plan_steps(_weighted([1e-9]), _options())


# Digests.


def test_the_digest_of_a_step_sees_ids_labels_values_and_their_parting() -> None:
    one, two = _example("a", 8), _example("b", 16)
    other_labels = TokenSequence.of(range(1, 9), [-100] * 8)
    steps = [
        [one],
        [two],
        [one, two],
        [two, one],
        [dataclasses.replace(one, sequences=(other_labels,))],
        [dataclasses.replace(one, sequences=(_sequence(8, 2),))],
        [dataclasses.replace(one, sequences=(_sequence(4), _sequence(4, 5)))],
        [dataclasses.replace(one, value=1.0)],
        [dataclasses.replace(one, id="c")],
    ]
    assert len({step_digest(step) for step in steps}) == len(steps)
    assert step_digest([_example("a", 8)]) == step_digest([one])
