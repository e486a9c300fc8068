"""kto: liked and disliked answers, and the divergence of a step."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from objective_samples import FULL, rated, shake, trial

from kamerton.training.objectives.kto import Kto, kto_loss


def test_the_divergence_is_that_of_mismatched_pairs_over_the_step(tiny_base: Path) -> None:
    tried = trial(tiny_base, "kto", method=FULL)
    shake(tried.network, 0.1)
    objective = tried.objective
    assert isinstance(objective, Kto)
    _, found = objective.begin_step(tried.network, tried.examples, 1)
    ratios = []
    with tried.network.judging():
        for example in tried.examples:
            mismatched = objective._mismatched[example.id]
            own = float(tried.network.log_probs(tried.network.batch([mismatched])))
            ratios.append(own - objective._reference[mismatched][0])
    assert found == pytest.approx(max(sum(ratios) / len(ratios), 0.0), abs=1e-3)


def test_a_mismatched_pair_has_its_own_prompt_and_anothers_answer(tiny_base: Path) -> None:
    tried = trial(tiny_base, "kto", [rated(number) for number in (1, 3, 5, 7)])
    objective = tried.objective
    assert isinstance(objective, Kto)
    answers = {example.sequences[0].ids[example.sequences[0].first_learned :].tobytes() for example in tried.examples}
    given = set()
    for example in tried.examples:
        (asked,), (mixed,) = example.sequences, objective._mismatched[example.id].sequences
        begin = asked.first_learned
        assert mixed.ids[:begin].tolist() == asked.ids[:begin].tolist()
        answer = mixed.ids[mixed.first_learned :].tobytes()
        assert answer != asked.ids[begin:].tobytes()
        given.add(answer)
    assert given == answers  # a ring: every answer is given once


def test_the_mismatch_does_not_depend_on_the_order_of_rows(tiny_base: Path) -> None:
    rows = [rated(number) for number in range(6)]
    found = []
    for order in (rows, rows[::-1]):
        objective = trial(tiny_base, "kto", order).objective
        assert isinstance(objective, Kto)
        found.append({name: each.sequences[0].ids.tolist() for name, each in objective._mismatched.items()})
    assert found[0] == found[1]


def test_no_gradient_flows_through_the_divergence(tiny_base: Path) -> None:
    tried = trial(tiny_base, "kto", method=FULL)
    tried.objective.begin_step(tried.network, tried.examples, 1)
    assert all(weight.grad is None for weight in tried.weights.values())
    ratios = torch.tensor([0.0], requires_grad=True)
    kto_loss(ratios, torch.tensor([0.0]), 0.3, 0.1).sum().backward()
    assert ratios.grad is not None
    assert float(ratios.grad) > 0


def test_validation_has_a_divergence_of_its_own(tiny_base: Path) -> None:
    tried = trial(tiny_base, "kto")
    validation = tried.objective.examples([rated(number) for number in (10, 11)]).examples
    tried.objective.start(tried.network, {"train": tried.examples, "validation": validation}, lambda event: None)
    shake(tried.network, 0.3)
    with tried.network.judging():
        judged = [losses for _, losses in tried.objective.judged(tried.network, validation)]
        shared = [losses for each in validation for _, losses in tried.objective.judged(tried.network, [each])]
    together = sorted(value for losses in judged for value in losses.values.tolist())
    assert len(together) == 2
    assert sorted(value for losses in shared for value in losses.values.tolist()) == pytest.approx(together, abs=1e-6)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([1, 3, 5], "3 answers are liked and 0 are not: kto then learns only what to say"),
        ([0, 2], "0 answers are liked and 2 are not: kto then learns only what to avoid"),
        ([1, 3, 5, 7, 0], "weighted 4.00 to 1, where 1 to 1.33 is advised; training.objective.disliked_weight=4 makes"),
        ([0, 1, 2, 3], ""),
    ],
)
def test_one_sided_rows_are_told(numbers: list[int], told: str, tiny_base: Path) -> None:
    notes = trial(tiny_base, "kto").objective.examples([rated(number) for number in numbers]).notes
    assert told in notes[0] if told else not notes


def test_weights_weigh_liked_and_disliked_answers(tiny_base: Path) -> None:
    tried = trial(tiny_base, "kto", liked_weight=3.0, disliked_weight=2.0)
    batch = tried.network.batch(tried.examples)
    values = tried.objective.losses(tried.network, batch, 0.0).values
    wanted = [1.5 if example.value else 1.0 for example in tried.examples]
    assert values.tolist() == pytest.approx(wanted, abs=1e-4)


def test_equal_rows_are_examples_of_their_own(tiny_base: Path) -> None:
    row = rated(1)
    twice = [row, dataclasses.replace(row, line=9)]
    assert len({example.id for example in trial(tiny_base, "kto", twice).examples}) == 2
