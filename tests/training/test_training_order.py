"""The order of examples is a pure function, and batches hold what they should."""

from __future__ import annotations

import dataclasses
import hashlib
from random import Random

import torch
from hypothesis import given
from hypothesis import strategies as st

from kamerton.training.batches import EpochSampler, batch_digest, collate, epoch_order, epoch_size, times_seen
from kamerton.training.examples import Example


def _example(name: str, length: int) -> Example:
    return Example(name, list(range(1, length + 1)), [-100, *range(2, length + 1)][:length])


EXAMPLES = st.lists(st.tuples(st.text(max_size=4), st.integers(1, 9)), max_size=90, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [_example(name, length) for name, length in pairs]
)
MANY = [_example(f"row-{number}", 1 + number % 37) for number in range(200)]
GOLDEN = ["6594380e67b0cfd6", "c737165ad2a5846b"]
FIRST = [9, 10, 11, 12, 0, 37, 1, 38, 2, 39, 3, 4]


@given(EXAMPLES, st.integers(1, 7), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_is_a_permutation_and_pure(examples: list[Example], width: int, seed: int, epoch: int) -> None:
    order = epoch_order(examples, width, seed, epoch)
    assert sorted(order) == list(range(len(examples)))
    assert epoch_order(examples, width, seed, epoch) == order


@given(EXAMPLES, st.integers(1, 7), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_given(examples: list[Example], width: int, luck: Random) -> None:
    moved = list(examples)
    luck.shuffle(moved)
    ids = [examples[index].id for index in epoch_order(examples, width, 3, 1)]
    assert [moved[index].id for index in epoch_order(moved, width, 3, 1)] == ids


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    orders = {tuple(epoch_order(MANY, 4, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    together = [{frozenset(order[at : at + 4]) for at in range(0, 200, 4)} for order in orders]
    assert max(len(one & other) for one in together for other in together if one is not other) < 10
    in_order = epoch_order(MANY, 4, 0, 0)
    assert in_order != sorted(in_order)


def test_global_generators_take_no_part() -> None:
    torch.manual_seed(1)
    before = epoch_order(MANY, 4, 7, 2)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert epoch_order(MANY, 4, 7, 2) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_neighbours_are_alike_in_length_but_batches_come_in_random_order() -> None:
    order = epoch_order(MANY, 4, 7, 0)
    batches = [[len(MANY[index].ids) for index in order[start : start + 4]] for start in range(0, 200, 4)]
    spread = sum(max(batch) - min(batch) for batch in batches) / len(batches)
    assert spread < 4
    assert [max(batch) for batch in batches] != sorted(max(batch) for batch in batches)


def test_only_the_last_batch_is_short() -> None:
    """Else the trainer's cuts would not fall on the batches that the order made."""
    examples = [_example(str(number), 1 + number % 5) for number in range(4 * 16 * 2 + 3)]
    order = epoch_order(examples, 4, 1, 0)
    lengths = [[len(examples[index].ids) for index in order[start : start + 4]] for start in range(0, len(order), 4)]
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
    found = [epoch_order(MANY, width, 7, epoch) for width, epoch in ((4, 2), (3, 0))]
    assert [hashlib.sha256(str(order).encode()).hexdigest()[:16] for order in found] == GOLDEN
    assert epoch_order(MANY[:40], 4, 7, 2)[:12] == FIRST


@given(WEIGHTS, st.integers(1, 7), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_shows_each_example_as_often_as_it_is_seen(
    weights: list[float], width: int, seed: int, epoch: int
) -> None:
    examples = _weighted(weights)
    order = epoch_order(examples, width, seed, epoch)
    times = [times_seen(example, seed, epoch) for example in examples]
    assert [order.count(index) for index in range(len(examples))] == times
    assert all(0 <= seen - int(weight) <= (weight != int(weight)) for seen, weight in zip(times, weights, strict=True))
    assert epoch_size(examples, seed, epoch) == len(order)
    sampler = EpochSampler(examples, width, seed)
    sampler.set_epoch(epoch)
    assert (len(sampler), list(sampler)) == (len(order), order)


@given(WEIGHTS, st.randoms(use_true_random=False))
def test_how_often_an_example_is_seen_does_not_depend_on_the_others(weights: list[float], luck: Random) -> None:
    examples = _weighted(weights)
    moved = [example for example in examples if luck.random() < 0.5]
    luck.shuffle(moved)
    for example in moved:
        assert times_seen(example, 3, 1) == epoch_order(examples, 2, 3, 1).count(examples.index(example))
    if len(moved) == len(examples):
        ids = [examples[index].id for index in epoch_order(examples, 2, 3, 1)]
        assert [moved[index].id for index in epoch_order(moved, 2, 3, 1)] == ids


def test_over_many_epochs_each_weight_is_met() -> None:
    examples = _weighted([0.25, 1.0, 1.7, 3.0, 0.0125])
    shown = [sum(times_seen(example, 5, epoch) for epoch in range(4000)) / 4000 for example in examples]
    for mean, example in zip(shown, examples, strict=True):
        rest = example.weight % 1
        assert abs(mean - example.weight) <= 4 * (rest * (1 - rest) / 4000) ** 0.5


def test_the_showings_of_one_example_stand_apart() -> None:
    """Each has an address of its own, so that they do not come in one batch (among rows of one length)."""
    order = epoch_order(_weighted([8.0] + [1.0] * 192, 1), 8, 1, 0)
    places = [place for place, index in enumerate(order) if index == 0]
    assert len(places) == 8
    assert len({place // 8 for place in places}) >= 5


def test_only_the_last_batch_of_a_weighted_epoch_is_short() -> None:
    examples = _weighted([0.5 + number % 3 for number in range(150)])
    order = epoch_order(examples, 4, 1, 0)
    lengths = [[len(examples[index].ids) for index in order[start : start + 4]] for start in range(0, len(order), 4)]
    assert all(max(batch) - min(batch) <= 1 for batch in lengths[:-1])


def test_the_sampler_follows_the_epoch() -> None:
    sampler = EpochSampler(MANY, 4, 7)
    assert len(sampler) == 200
    assert list(sampler) == list(sampler) == epoch_order(MANY, 4, 7, 0)
    sampler.set_epoch(3)
    assert list(sampler) == epoch_order(MANY, 4, 7, 3)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_a_batch_holds_each_example_and_masks_the_rest(lengths: list[int]) -> None:
    examples = [_example(str(index), length) for index, length in enumerate(lengths)]
    batch = collate(examples, pad=0)
    width = batch["input_ids"].shape[1]
    assert width % 8 == 0
    assert max(lengths) <= width < max(lengths) + 8
    padded = any(length != width for length in lengths)
    assert batch.keys() == {"input_ids", "labels"} | ({"attention_mask"} if padded else set())
    for row, example in enumerate(examples):
        rest = width - len(example.ids)
        assert batch["input_ids"][row].tolist() == example.ids + [0] * rest
        assert batch["labels"][row].tolist() == example.labels + [-100] * rest
        if padded:
            assert batch["attention_mask"][row].tolist() == [1] * len(example.ids) + [0] * rest


def test_a_pad_token_inside_an_example_is_not_masked() -> None:
    batch = collate([Example("a", [0, 5, 0], [-100, 5, 0]), Example("b", [5], [5])], pad=0)
    assert batch["attention_mask"].sum(1).tolist() == [3, 1]
    assert batch["labels"][0].tolist()[:3] == [-100, 5, 0]


def test_the_digest_of_a_step_sees_ids_labels_and_their_parting() -> None:
    one, two = collate([_example("a", 8)], 0), collate([_example("b", 16)], 0)
    digests = {
        batch_digest([one]),
        batch_digest([two]),
        batch_digest([one, two]),
        batch_digest([two, one]),
        batch_digest([one | {"labels": one["labels"] + 1}]),
        batch_digest([one | {"input_ids": one["input_ids"] + 1}]),
        batch_digest([{name: tensor.reshape(2, 4) for name, tensor in one.items()}]),
    }
    assert len(digests) == 7
    assert batch_digest([collate([_example("other name", 8)], 0)]) == batch_digest([one])
