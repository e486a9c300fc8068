"""Alarms about what is learned from, and the facts that they go by."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from monitor_samples import FACTS, kinds, only, step

from kamerton.training.examples import Example, TokenSequence
from kamerton.training.monitors.facts import dependence, example_facts
from kamerton.training.monitors.history import Facts

END = 2


def _example(number: int, question: list[int], answer: list[int]) -> Example:
    labels = [-100] * len(question) + answer
    return Example(f"row {number}", (TokenSequence.of(question + answer, labels),))


def _pairs(count: int, *, shuffled: bool = False) -> list[Example]:
    """Questions that share two rare tokens of 40 with their answers."""
    draw = random.Random(5)
    matters = [[10 + draw.randrange(40), 10 + draw.randrange(40)] for _ in range(count)]
    answers = matters[:]
    if shuffled:
        draw.shuffle(answers)
    noise = [[100 + draw.randrange(500) for _ in range(6)] for _ in range(count)]
    return [_example(n, [1, *matters[n], *noise[n]], [3, *answers[n], END]) for n in range(count)]


def _facts(training: list[Example], validation: list[Example] | None = None) -> Facts:
    return Facts(**example_facts(training, validation or [], {END}, max_length=64, seed=1))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"distinct": 20, "examples": 20}, "few_rows"),
        ({"distinct": 500}, "duplicates"),
        ({"masked": 200}, "masked"),
        ({"learned_share": 0.001}, "masked"),
        ({"learned_share": 0.001, "masked": 1}, "masked"),
        ({"leaked": 10}, "leak"),
        ({"judged": 100, "mixed": 40}, "languages"),
        ({"paired": 400, "chance": 0.4}, "answers"),
        ({"closed": 0.1}, "template"),
        ({"overridden": True}, "template"),
    ],
)
def test_a_fact_that_is_wrong_raises_its_alarm(change: dict[str, Any], kind: str) -> None:
    alarm = only([replace(FACTS, **change)])
    assert (alarm.kind, alarm.step) == (kind, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"distinct": 50, "examples": 50},
        {"distinct": 760},
        {"masked": 80},
        {"learned_share": 0.02},
        {"validation": 400, "leaked": 4},
        {"judged": 100, "mixed": 20},
        {"judged": 10, "mixed": 10},
        {"paired": 400, "chance": 0.002},
        {"paired": 60, "chance": 0.9},
        {"closed": 0.9},
    ],
)
def test_a_fact_at_its_bound_raises_none(change: dict[str, Any]) -> None:
    assert kinds([replace(FACTS, **change)]) == []


def test_facts_that_nobody_knows_raise_nothing() -> None:
    assert kinds([Facts()]) == []
    assert kinds([_facts([])]) == ["few_rows"]


def test_answers_put_to_questions_by_lot_are_told_from_fitting_ones() -> None:
    assert kinds([_facts(_pairs(300))]) == []
    assert kinds([_facts(_pairs(300, shuffled=True))]) == ["answers"]


def test_the_test_is_a_function_of_pairs_and_seed() -> None:
    pairs = [(np.array([1, 5, 7], dtype=np.int32), np.array([n % 3], dtype=np.int32)) for n in range(30)]
    assert dependence(pairs, 1) == dependence(pairs, 1)
    assert dependence(pairs, 1) == 1.0  # questions that are all alike say nothing about their answers


def test_copies_leaks_and_ends_are_counted() -> None:
    training = _pairs(60)
    facts = _facts([*training, *training[:20]], [*training[:5], *_pairs(3)[:0]])
    assert (facts.examples, facts.distinct, facts.leaked, facts.validation, facts.closed) == (80, 60, 5, 5, 1.0)
    open_ended = [_example(n, [1, n], [5, 6]) for n in range(60)]
    assert _facts(open_ended).closed == 0.0
    cut = [_example(n, [1] * 60, [5, 6, 7, n]) for n in range(60)]
    assert _facts(cut).closed is None  # a row as long as max_length was cut: its end is not known


def test_a_batch_that_comes_again_and_again_is_a_dead_loader() -> None:
    records = [FACTS, *(step(n, 2.0 - 0.001 * n, batch=f"batch {min(n, 5)}") for n in range(1, 20))]
    alarm = only(records)
    assert (alarm.kind, alarm.step, alarm.severity) == ("loader", 8, "error")
    assert "step 8 that of step 5" in alarm.evidence


def test_a_new_epoch_may_show_the_same_batches_again() -> None:
    records = [FACTS, *(step(n, 2.0 - 0.001 * n, batch=f"batch {n % 5}", epoch=n / 5) for n in range(1, 26))]
    assert kinds(records) == []
    alone = [replace(FACTS, steps_per_epoch=1), *(step(n, 2.0 - 0.01 * n, batch="all") for n in range(1, 9))]
    assert kinds(alone) == []


def test_batches_of_nothing_are_a_dead_loader() -> None:
    assert only([step(n, 2.0, tokens=0) for n in range(1, 5)]).kind == "loader"
