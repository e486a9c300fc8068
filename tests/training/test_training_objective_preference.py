"""dpo, orpo, simpo: pairs from ranked rows, the reference's numbers, and what is cut."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from objective_samples import FULL, bot, loaded, options, ranked, shake, trial, user

from kamerton.chat import IGNORED
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError, RecipeError
from kamerton.training.examples import TokenSequence
from kamerton.training.examples.answered import joined
from kamerton.training.network import Network
from kamerton.training.objectives import build_objective


def sequence(prompt: int, answer: int) -> TokenSequence:
    ids = list(range(1, prompt + answer + 1))
    return TokenSequence.of(ids, [IGNORED] * prompt + ids[prompt:])


def test_a_pair_shares_its_prompt_and_learns_the_answers_alone(tiny_base: Path) -> None:
    tried = trial(tiny_base, "dpo", [ranked(0)])
    (example,) = tried.examples
    better, worse = example.sequences
    begin = better.first_learned
    assert begin == worse.first_learned
    assert np.array_equal(better.ids[:begin], worse.ids[:begin])
    text = tried.objective.loaded.tokenizer.decode(better.ids[better.labels != IGNORED])
    assert text.startswith("Pokój 1.")
    assert "Gdzie" not in text


def test_more_than_two_answers_give_the_best_against_each_other_one(tiny_base: Path) -> None:
    tried = trial(tiny_base, "dpo", [ranked(0, "Nie.", "Może jutro.")])
    best = {example.sequences[0].ids.tobytes() for example in tried.examples}
    others = {example.sequences[1].ids.tobytes() for example in tried.examples}
    assert (len(tried.examples), len(best), len(others)) == (3, 1, 3)
    assert len({example.id for example in tried.examples}) == 3


def test_a_pair_that_is_equal_teaches_nothing_and_is_counted(tiny_base: Path) -> None:
    tried = trial(tiny_base, "dpo")
    same = Row(messages=(user("A?"),), ranked=(bot("Tak."), bot("Tak.")))
    built = tried.objective.examples([ranked(0), same])
    assert len(built.examples) == 1
    assert built.masked == [same.row_hash]
    with pytest.raises(DataError, match="no row leaves anything to learn from"):
        tried.objective.examples([same])


def test_answers_that_differ_beyond_the_length_are_equal_too(tiny_base: Path) -> None:
    long = "tak " * 200
    row = Row(messages=(user("A?"),), ranked=(bot(long + "x"), bot(long + "y")))
    tried = trial(tiny_base, "dpo")
    assert tried.objective.examples([ranked(0), row]).masked == [row.row_hash]


@pytest.mark.parametrize(
    ("prompt", "answers", "kept", "lengths"),
    [
        (10, (5, 3), 10, (15, 13)),  # all of it fits
        (40, (5, 3), 15, (20, 18)),  # the prompt loses its beginning
        (40, (30, 3), 10, (20, 13)),  # the prompt keeps half, the long answer loses its end
        (4, (30, 3), 4, (20, 7)),  # a short prompt stays whole
    ],
)
def test_the_prompt_gives_way_before_the_answers(
    prompt: int, answers: tuple[int, int], kept: int, lengths: tuple[int, int]
) -> None:
    found = joined([sequence(prompt, answer) for answer in answers], 20)
    assert tuple(each.length for each in found.sequences) == lengths
    assert {each.first_learned for each in found.sequences} == {kept}
    assert all(each.ids[kept - 1] == prompt for each in found.sequences)  # the end of the prompt stays
    assert found.cut == (prompt + max(answers) > 20)


def test_the_reference_is_the_model_before_its_first_step(tiny_base: Path) -> None:
    tried = trial(tiny_base, "dpo", method=FULL)
    first, metrics = tried.backward()
    assert first == pytest.approx(np.log(2), abs=1e-5)
    assert metrics["margin"] == pytest.approx(0.0, abs=1e-4)
    shake(tried.network)
    moved, _ = tried.backward()
    assert abs(moved - first) > 1e-3
    assert "the model that training starts from is the reference" in tried.notices[0]["notice"]


def test_another_reference_is_read_once_and_not_kept(tiny_base: Path) -> None:
    chosen = options("dpo", reference="other")
    opened: list[str] = []
    model = loaded(tiny_base, chosen, [], FULL)
    network = Network(model, chosen.compute)

    def open_model(name: str) -> object:
        opened.append(name)
        other = loaded(tiny_base, chosen, [], FULL)
        shake(Network(other, chosen.compute), 0.02)
        return other

    objective = build_objective(chosen, model, open_model)  # type: ignore[arg-type]
    examples = objective.examples([ranked(number) for number in range(4)]).examples
    objective.start(network, {"train": examples, "validation": []}, lambda event: None)
    batch = network.batch(examples)
    found = objective.losses(network, batch, None)
    assert opened == ["other"]
    assert float((found.values.detach() - np.log(2)).abs().max()) > 1e-3


def test_a_reference_with_other_tokens_is_refused(tiny_base: Path) -> None:
    chosen = options("dpo", reference="other")
    model, other = loaded(tiny_base, chosen, [], FULL), loaded(tiny_base, chosen, [], FULL)
    other.tokenizer.add_tokens(["zupełnie-nowy"])
    objective = build_objective(chosen, model, lambda name: other)
    examples = objective.examples([ranked(0)]).examples
    with pytest.raises(RecipeError, match="the reference has other tokens"):
        objective.start(Network(model, chosen.compute), {"train": examples, "validation": []}, lambda event: None)


def test_dropout_is_off_while_the_reference_is_read(tiny_base: Path) -> None:
    first = trial(tiny_base, "dpo", method=FULL)
    torch.manual_seed(1)
    first.network.model.train()
    again = trial(tiny_base, "dpo", method=FULL)
    assert first.network.model.training
    found = [[each.objective._reference[example] for example in each.examples] for each in (first, again)]  # type: ignore[attr-defined]
    assert found[0] == found[1]


def test_the_sft_part_pulls_the_better_answer_up(tiny_base: Path) -> None:
    plain, pulled = trial(tiny_base, "dpo"), trial(tiny_base, "dpo", sft_weight=0.5)
    batch = plain.network.batch(plain.examples)
    nll = -plain.network.log_probs(batch)[:, 0] / batch.counts[:, 0]
    difference = pulled.objective.losses(pulled.network, batch, None).values.detach() - np.log(2)
    torch.testing.assert_close(difference, 0.5 * nll.detach(), atol=1e-4, rtol=1e-4)


def test_tools_and_turns_before_the_question_are_part_of_the_prompt(tiny_base: Path) -> None:
    talk = (user("Dzień dobry"), bot("Słucham."), user("Gdzie pokój?"))
    row = dataclasses.replace(ranked(0), messages=talk)
    (example,) = trial(tiny_base, "simpo", [row]).examples
    assert (
        example.sequences[0].first_learned
        > trial(tiny_base, "simpo", [ranked(0)]).examples[0].sequences[0].first_learned
    )
