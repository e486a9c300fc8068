"""Drawn answers: the right distribution, whatever stands beside them in the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kamerton.models.load import LoadedModel, load_base
from kamerton.models.sample import _draw, sample_answers

PROMPTS = [[5, 6, 7], [9], [20, 21, 22, 23, 24, 25, 26]]


@pytest.fixture(scope="module")
def loaded(tiny_base: Path) -> LoadedModel:
    return load_base(str(tiny_base), tiny_base.parent, device="cpu")


def uniforms(prompts: int, group: int, tokens: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).random((prompts, group, tokens))


def by_hand(loaded: LoadedModel, prompt: list[int], numbers: NDArray[np.float64], ends: list[int]) -> list[int]:
    """One answer without cache, padding or batch."""
    drawn: list[int] = []
    for number in numbers:
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([[*prompt, *drawn]])).logits[0, -1]
        reached = torch.softmax(logits.double() / 0.7, -1).cumsum(-1)
        drawn.append(int(torch.searchsorted(reached, torch.tensor([float(number)], dtype=torch.float64), right=True)))
        if drawn[-1] in ends:
            break
    return drawn


def test_padding_cache_and_neighbours_change_no_answer(loaded: LoadedModel) -> None:
    numbers = uniforms(3, 4, 8)
    ends = list(range(0, loaded.model.config.vocab_size, 6))  # so that answers end at different places
    found = sample_answers(loaded.model, PROMPTS, numbers, ends=ends, temperature=0.7)
    wanted = [[by_hand(loaded, prompt, numbers[i, j], ends) for j in range(4)] for i, prompt in enumerate(PROMPTS)]
    assert found == wanted
    assert len({len(answer) for group in found for answer in group}) > 1
    assert all(answer[-1] in ends or len(answer) == 8 for group in found for answer in group)


def test_an_answer_is_a_function_of_its_own_numbers(loaded: LoadedModel) -> None:
    numbers = uniforms(3, 2, 6)
    together = sample_answers(loaded.model, PROMPTS, numbers, ends=[1])
    alone = sample_answers(loaded.model, PROMPTS[1:2], numbers[1:2, :1], ends=[1])
    assert alone[0][0] == together[1][0]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    shares = torch.tensor([0.5, 0.0, 0.3, 0.2])
    numbers = torch.from_numpy(np.random.default_rng(0).random(20_000))
    drawn = _draw(shares.log().expand(20_000, 4), numbers, 1.0)
    counted = torch.bincount(drawn, minlength=4) / 20_000
    assert counted[1] == 0
    torch.testing.assert_close(counted, shares, atol=0.015, rtol=0)


def test_a_token_without_probability_is_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]])
    for number in (0.0, 0.5, 1.0 - 2**-53):
        assert int(_draw(logits, torch.tensor([number], dtype=torch.float64), 1.0)) in (1, 2)
