"""grpo: drawn answers, their rewards, and what a checkpoint keeps of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from objective_samples import FULL, Trial, answered, bot, shake, trial, user

from kamerton.data.rows import Row
from kamerton.ground.errors import DataError, RecipeError, RequestError
from kamerton.training.objectives.grpo import Grpo
from kamerton.training.objectives.rewards import Judged, build_reward, reward_names


def judged(answer: str, reference: str = "Wynik: 42", tokens: int = 5) -> Judged:
    row = Row(messages=(user("?"), bot(reference)), file="d.jsonl", line=3, category="k")
    return Judged(row.prompt, answer, tokens, row)


@pytest.mark.parametrize(
    ("name", "answer", "wanted"),
    [
        ("exact_match", " Wynik:  42\n", 1.0),
        ("exact_match", "wynik: 42", 0.0),
        ("form:Wynik: [0-9]+", "Wynik: 7 ", 1.0),
        ("form:Wynik: [0-9]+", "Wynik: 7!", 0.0),
        ("regex:[0-9]", "to 7 osób", 1.0),
        ("regex:[0-9]", "nic", 0.0),
        ("regex:Wynik: ([0-9]+)", "liczę...\nWynik: 42 zł", 1.0),
        ("regex:Wynik: ([0-9]+)", "Wynik: 43", 0.0),
        ("regex:^Suma: ([0-9]+)", "Suma: 42", 0.0),  # the reference has no such label
        ("length:5", "x", 1.0),
        ("length:4", "x", 0.75),
        ("length:2", "x", 0.0),
    ],
)
def test_the_rewards_that_ship(name: str, answer: str, wanted: float) -> None:
    assert build_reward(name)(judged(answer)) == wanted


def own(prompt: list[Any], answer: str, row: dict[str, Any]) -> Any:
    """A reward of a user's own, for the tests below."""
    known = {"flag": True, "np": np.float32(0.25), "nan": math.nan, "inf": math.inf, "text": "1", "none": None}
    if answer == "fault":
        raise ZeroDivisionError("nothing to divide by")
    return known[answer] if answer in known else len(prompt) + (row["category"] == "k")


def test_a_function_of_ones_own_is_given_prompt_answer_and_row() -> None:
    reward = build_reward("test_training_objective_grpo:own")
    assert reward(judged("other")) == 2.0
    assert reward(judged("flag")) == 1.0
    assert reward(judged("np")) == 0.25


@pytest.mark.parametrize("answer", ["nan", "inf", "text", "none"])
def test_a_reward_that_is_no_number_names_function_and_row(answer: str) -> None:
    with pytest.raises(DataError, match="the reward test_training_objective_grpo:own gave") as caught:
        build_reward("test_training_objective_grpo:own")(judged(answer))
    assert caught.value.where == "d.jsonl:3"


def test_what_a_reward_raises_names_function_row_and_line() -> None:
    with pytest.raises(RequestError) as caught:
        build_reward("test_training_objective_grpo:own")(judged("fault"))
    assert caught.value.what.startswith(
        "the reward test_training_objective_grpo:own raised ZeroDivisionError: nothing to divide by"
    )
    assert caught.value.where == "d.jsonl:3"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("name", ["no_such_module:f", "test_training_objective_grpo:nothing"])
def test_a_function_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(RecipeError, match="the function cannot be loaded"):
        build_reward(name)


def made(base: Path, **more: Any) -> Trial:
    chosen = {"rewards": ["regex:[aeiou]", "length:6"], "group": 3, "max_new_tokens": 5} | more
    return trial(base, "grpo", **chosen)


def ids(examples: list[Any]) -> list[list[int]]:
    return [example.sequences[0].ids.tolist() for example in examples]


def test_metrics_have_names_that_trackers_take() -> None:
    names = ["exact_match", r"regex:#### (\d+)", "regex:x", "my.module:score", "length:3"]
    assert reward_names(names) == ["exact_match", "regex_1", "regex_2", "score", "length"]


def test_what_is_drawn_is_what_the_loss_finds_likely(tiny_base: Path) -> None:
    """Next to temperature 0 each drawn token is the likeliest one of the packed forward pass."""
    tried = made(tiny_base, temperature=1e-4, max_new_tokens=12)
    drawn, _ = tried.objective.begin_step(tried.network, tried.examples, 1)
    with tried.network.judging():
        logits, targets = tried.network.logits(tried.network.batch(drawn))
    assert tried.network.packed
    assert logits.argmax(1).tolist() == targets.tolist()


def test_answers_are_a_function_of_seed_step_and_prompt(tiny_base: Path) -> None:
    first, again = made(tiny_base), made(tiny_base)
    at_one, _ = first.objective.begin_step(first.network, first.examples, 1)
    assert ids(at_one) == ids(again.objective.begin_step(again.network, again.examples, 1)[0])
    assert ids(at_one) != ids(again.objective.begin_step(again.network, again.examples, 2)[0])
    turned, _ = again.objective.begin_step(again.network, again.examples[::-1], 1)
    assert sorted(ids(at_one)) == sorted(ids(turned))


def test_a_prompt_that_a_step_has_twice_gets_other_answers(tiny_base: Path) -> None:
    tried = made(tiny_base)
    twice, _ = tried.objective.begin_step(tried.network, tried.examples[:1] * 2, 1)
    assert len({example.id for example in twice}) == 6
    assert ids(twice[:3]) != ids(twice[3:])


def test_drawn_tokens_are_learned_and_the_prompt_is_not(tiny_base: Path) -> None:
    tried = made(tiny_base)
    drawn, context = tried.objective.begin_step(tried.network, tried.examples, 1)
    prompt = tried.examples[0].sequences[0]
    sequence = drawn[0].sequences[0]
    assert sequence.first_learned == prompt.length
    assert sequence.ids[: prompt.length].tolist() == prompt.ids.tolist()
    assert sequence.trained == context.metrics[drawn[0].id]["answer_tokens"]
    for begin in range(0, len(drawn), 3):
        assert sum(example.value for example in drawn[begin : begin + 3]) == pytest.approx(0, abs=1e-9)


def test_metrics_name_each_reward_and_what_teaches_nothing(tiny_base: Path) -> None:
    tried = made(tiny_base, rewards=["length:1000", "exact_match"], reward_weights=[0.5, 2.0])
    _, metrics = tried.backward()
    assert metrics["reward/length"] == 1.0
    assert metrics["reward"] == pytest.approx(0.5 + 2 * metrics["reward/exact_match"])
    assert metrics["alike"] == 1.0
    assert 0 < metrics["answer_tokens"] <= 5
    assert 0.0 <= metrics["cut_off"] <= 1.0
    assert all(not gradient.any() for gradient in tried.gradients().values())


@pytest.mark.slow
def test_the_reward_rises(tiny_base: Path) -> None:
    tried = made(tiny_base, rewards=["regex:[aeiou]"], group=8, max_new_tokens=4, method=FULL)
    tried.network.model.train()
    optimizer = torch.optim.AdamW(tried.weights.values(), lr=3e-3)
    rewards = []
    for step in range(1, 26):
        rewards.append(tried.backward(step)[1]["reward"])
        optimizer.step()
        optimizer.zero_grad()
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) + 0.1


def test_the_divergence_is_that_from_the_start(tiny_base: Path) -> None:
    tried = made(tiny_base, beta=0.5, method=FULL)
    _, metrics = tried.backward(1)
    assert metrics["divergence"] == pytest.approx(0.0, abs=1e-6)
    before = {name: weight.detach().clone() for name, weight in tried.weights.items()}
    shake(tried.network)
    moved = {name: weight.detach().clone() for name, weight in tried.weights.items()}
    _, metrics = tried.backward(2)
    assert metrics["divergence"] > 1e-3
    assert all(torch.equal(weight, moved[name]) for name, weight in tried.weights.items())
    assert not all(torch.equal(moved[name], before[name]) for name in moved)


def test_temperature_divides_the_logits(tiny_base: Path) -> None:
    tried = made(tiny_base, temperature=0.5)
    drawn, _ = tried.objective.begin_step(tried.network, tried.examples, 1)
    batch = tried.network.batch(drawn)
    with torch.no_grad():
        logits, targets = tried.network.logits(batch)
        wanted = torch.log_softmax(logits / 0.5, -1).gather(1, targets[:, None])[:, 0]
        torch.testing.assert_close(tried.network.token_log_probs(batch, 0.5), wanted)


def test_passes_learn_from_the_same_answers_and_a_checkpoint_keeps_them(tiny_base: Path) -> None:
    whole, stopped = made(tiny_base, passes=2), made(tiny_base, passes=2)
    losses = whole.train(4)
    first = stopped.train(3)
    assert losses[:3] == first
    state = json.loads(json.dumps(stopped.objective.state()))
    other = made(tiny_base, passes=2)
    for name, weight in other.weights.items():
        weight.data.copy_(stopped.weights[name].data)
    other.objective.restore(state)
    kept, context = other.objective.begin_step(other.network, other.examples, 4)
    own, mine = stopped.objective.begin_step(stopped.network, stopped.examples, 4)
    assert ids(kept) == ids(own)
    assert context == mine or (context.old, context.metrics) == (mine.old, mine.metrics)
    assert other.backward(4)[0] == losses[3]


def test_one_pass_leaves_nothing_in_a_checkpoint(tiny_base: Path) -> None:
    tried = made(tiny_base)
    tried.backward()
    assert tried.objective.state() == {}


def test_validation_is_minus_the_mean_reward_and_draws_the_same_each_time(tiny_base: Path) -> None:
    tried = made(tiny_base)
    with tried.network.judging():
        found = [next(iter(tried.objective.judged(tried.network, tried.examples))) for _ in range(2)]
    (examples, losses), (_, again) = found
    assert examples == tried.examples
    assert losses.values.tolist() == again.values.tolist() == (-losses.metrics["reward"]).tolist()
    assert [tried.objective.units(example) for example in examples] == [1] * len(examples)


def test_a_prompt_without_room_for_its_answer_is_counted(tiny_base: Path) -> None:
    tried = made(tiny_base, max_length=96, max_new_tokens=5)
    long = Row(messages=(user("słowo " * 90), bot("tak")))
    assert tried.objective.examples([answered(0), long]).masked == [long.row_hash]
    assert isinstance(tried.objective, Grpo)
