"""The fakes that ship."""

from __future__ import annotations

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message
from kamerton.evaluation import Generator
from kamerton.testing import EchoGenerator

ASKED: list[Message] = [
    {"role": "system", "content": "urząd"},
    {"role": "user", "content": "raz dwa"},
    {"role": "assistant", "content": "tak"},
]


def test_it_is_a_generator_that_echoes_the_last_user_turn() -> None:
    generator: Generator = EchoGenerator()
    assert generator.name == "echo"
    assert generator.generate([ASKED, ASKED[:1]], 10) == [Generation("raz dwa", 3, True), Generation("", 1, True)]


def test_an_answer_is_cut_at_the_limit() -> None:
    assert EchoGenerator(lambda prompt: "a b c").generate([ASKED], 3) == [Generation("a b c", 3, False)]
    assert EchoGenerator(lambda prompt: "a b c").generate([ASKED], 2) == [Generation("a b", 2, False)]
    assert EchoGenerator(lambda prompt: "a b c").generate([ASKED], 4) == [Generation("a b c", 4, True)]


def test_scores_are_words_times_nats() -> None:
    generator = EchoGenerator(nats_per_token=lambda text: 0.5)
    assert generator.score([ASKED]) == [Score(0.5, 1)]
    assert generator.score_texts(["a b c", ""]) == [Score(1.5, 3), Score(0.0, 0)]
