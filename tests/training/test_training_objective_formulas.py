"""The formulas of the losses, against numbers worked out by hand and against TRL's own code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from kamerton.training.objectives.grpo import advantages, grpo_loss
from kamerton.training.objectives.kto import kto_loss
from kamerton.training.objectives.preference import dpo_loss, orpo_loss, simpo_loss
from kamerton.training.objectives.reward import reward_loss


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_dpo_is_the_formula_of_its_paper() -> None:
    margin = torch.tensor([1.5, -2.0])
    found = dpo_loss(margin, "sigmoid", 0.2)
    assert found.tolist() == pytest.approx([-math.log(sigmoid(0.3)), -math.log(sigmoid(-0.4))])
    smoothed = dpo_loss(margin, "sigmoid", 0.2, 0.1)
    assert float(smoothed[0]) == pytest.approx(-0.9 * math.log(sigmoid(0.3)) - 0.1 * math.log(sigmoid(-0.3)))


def test_ipo_wants_a_margin_of_its_own_and_punishes_more() -> None:
    assert dpo_loss(torch.tensor([5.0, 4.0, 6.0]), "ipo", 0.1).tolist() == pytest.approx([0.0, 1.0, 1.0])


def test_hinge_is_content_beyond_its_margin() -> None:
    assert dpo_loss(torch.tensor([-10.0, 5.0, 20.0]), "hinge", 0.1).tolist() == pytest.approx([2.0, 0.5, 0.0])


@pytest.mark.slow
def test_the_same_numbers_as_trl() -> None:
    """ORPO, and the log-odds that cancel near probability 1."""
    trl = pytest.importorskip("trl.experimental.orpo.orpo_trainer")
    means = torch.tensor([[-0.3, -2.0], [-1e-4, -5.0], [-3.0, -0.01]], dtype=torch.float64)
    log_odds = (means[:, 0] - means[:, 1]) - (trl.log1mexp(means[:, 0]) - trl.log1mexp(means[:, 1]))
    wanted = -means[:, 0] - 0.3 * logsigmoid(log_odds)
    assert orpo_loss(means, 0.3).tolist() == pytest.approx(wanted.tolist(), rel=1e-9)


def test_orpo_stays_finite_where_a_probability_is_one() -> None:
    means = torch.tensor([[0.0, -3.0], [-3.0, 0.0], [-1e-9, -80.0]], requires_grad=True)
    loss = orpo_loss(means, 0.1).sum()
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert means.grad is not None
    assert bool(torch.isfinite(means.grad).all())


def test_simpo_is_the_formula_of_its_paper() -> None:
    found = simpo_loss(torch.tensor([[-0.5, -1.0]]), beta=2.0, gamma=0.5)
    assert float(found) == pytest.approx(-math.log(sigmoid(2.0 * 0.5 - 0.5)))


def test_kto_is_the_formula_of_its_paper() -> None:
    found = kto_loss(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 0.0]), divergence=0.5, beta=0.1)
    assert found.tolist() == pytest.approx([1 - sigmoid(0.15), 1 - sigmoid(-0.15)])


def test_the_reward_model_counts_differences_and_is_kept_around_zero() -> None:
    scores = torch.tensor([[2.0, 1.0]])
    assert float(reward_loss(scores, 0.0)) == pytest.approx(-math.log(sigmoid(1.0)))
    assert float(reward_loss(scores, 0.01)) == pytest.approx(-math.log(sigmoid(1.0)) + 0.01 * 9)


def test_advantages_compare_within_a_group() -> None:
    rewards = np.array([[1.0, 0.0, 0.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
    plain = advantages(rewards, scaled=False)
    assert plain.tolist() == [[0.5, -0.5, -0.5, 0.5], [0.0] * 4]
    scaled = advantages(rewards, scaled=True)
    assert scaled[0, 0] == pytest.approx(0.5 / (math.sqrt(1 / 3) + 1e-4))
    assert not scaled[1].any()


def test_grpo_clips_only_what_goes_further_the_good_way() -> None:
    old = torch.zeros(4)
    log_probs = torch.tensor([math.log(1.5), math.log(1.5), math.log(0.5), math.log(0.5)])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    cost, held = grpo_loss(log_probs, old, advantage, 0.2)
    assert cost.tolist() == pytest.approx([-1.2, 1.5, -0.5, 0.8])
    assert held.tolist() == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("kind", ["sigmoid", "ipo", "hinge"])
def test_a_step_down_makes_the_better_answer_likelier(kind: str) -> None:
    margin = torch.zeros(1, requires_grad=True)
    dpo_loss(margin, kind, 0.1).sum().backward()  # type: ignore[arg-type]
    assert margin.grad is not None
    assert float(margin.grad) < 0


@pytest.mark.parametrize("formula", [lambda m: orpo_loss(m, 0.1), lambda m: simpo_loss(m, 2.0, 0.5)])
def test_a_step_down_parts_the_two_answers(formula: object) -> None:
    means = torch.tensor([[-1.0, -1.0]], requires_grad=True)
    formula(means).sum().backward()  # type: ignore[operator]
    assert means.grad is not None
    assert float(means.grad[0, 0]) < 0 < float(means.grad[0, 1])
