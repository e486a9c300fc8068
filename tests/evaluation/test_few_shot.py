"""The few-shot prompt: which examples, in what order, and how many fit."""

from __future__ import annotations

import pytest

from kamerton.chat.messages import Message
from kamerton.data.rows import Row
from kamerton.evaluation import FewShotGenerator, choose_examples, few_shot_prompt
from kamerton.ground.errors import DataError
from kamerton.testing import EchoGenerator


def row(number: int, category: str = "") -> Row:
    messages: tuple[Message, ...] = (
        {"role": "user", "content": f"pytanie {number}"},
        {"role": "assistant", "content": f"odpowiedź {number}"},
    )
    return Row(messages=messages, category=category)


ROWS = [row(number, "abc"[number % 3]) for number in range(30)]
ASKED: list[Message] = [{"role": "user", "content": "nowe"}]


def test_the_seed_and_the_contents_choose_not_the_order() -> None:
    chosen = choose_examples(ROWS, 5, seed=1)
    assert choose_examples(ROWS[::-1], 5, seed=1) == chosen
    assert choose_examples(ROWS, 5, seed=2) != chosen
    assert choose_examples(ROWS + ROWS, 5, seed=1) == chosen


@pytest.mark.parametrize("seed", range(10))
def test_categories_are_spread(seed: int) -> None:
    many_of_one = [row(number, "often") for number in range(50)] + [row(100, "rare"), row(101, "seldom")]
    assert {example.category for example in choose_examples(many_of_one, 3, seed)} == {"often", "rare", "seldom"}
    assert len(choose_examples(many_of_one, 6, seed)) == 6


def test_texts_are_no_examples_and_too_few_are_refused() -> None:
    rows = [row(1), row(2), row(2), Row(text="sam tekst")]
    assert len(choose_examples(rows, 2, seed=1)) == 2
    with pytest.raises(DataError, match="has 2 different conversations") as caught:
        choose_examples(rows, 3, seed=1)
    assert caught.value.mend == "set evaluation.shots=2"
    with pytest.raises(DataError, match="has 0") as caught:
        choose_examples([], 1, seed=1)
    assert "baselines" in caught.value.mend


def test_the_prompt_alternates_and_keeps_its_own_system_turn() -> None:
    example = Row(messages=({"role": "system", "content": "inny"}, *(row(1).messages or ())))
    prompt = few_shot_prompt([example, row(2)], [{"role": "system", "content": "urząd"}, *ASKED])
    assert [message["role"] for message in prompt] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message["content"] for message in prompt][:2] == ["urząd", "pytanie 1"]
    assert prompt[-1]["content"] == "nowe"


def test_it_is_just_another_generator() -> None:
    inner = EchoGenerator(lambda prompt: f"{len(prompt)} {prompt[-1]['content']}")
    generator = FewShotGenerator(inner, ROWS[:3])
    assert generator.name == "few_shot"
    assert [answer.text for answer in generator.generate([ASKED, ASKED], 10)] == ["7 nowe", "7 nowe"]
    answered: list[Message] = [*ASKED, {"role": "assistant", "content": "raz dwa trzy"}]
    assert generator.score([answered])[0].tokens == 3
    assert generator.score_texts(["raz dwa"]) == inner.score_texts(["raz dwa"])
    assert generator.shots_used == 3


def test_examples_are_dropped_from_the_front_until_the_prompt_fits() -> None:
    seen: list[list[Message]] = []

    def answer(prompt: list[Message]) -> str:
        seen.append(prompt)
        return ""

    generator = FewShotGenerator(EchoGenerator(answer), ROWS[:3], fits=lambda prompt, tools: len(prompt) <= 4)
    generator.generate([ASKED], 10)
    assert [message["content"] for message in seen[0]] == ["pytanie 2", "odpowiedź 2", "nowe"]
    assert generator.shots_used == 1
    never = FewShotGenerator(EchoGenerator(answer), ROWS[:3], fits=lambda prompt, tools: False)
    never.generate([ASKED], 10)
    assert seen[1] == ASKED
    assert never.shots_used == 0
