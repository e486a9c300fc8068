"""The fakes that ship."""

from __future__ import annotations

from pathlib import Path

from kamerton.chat.generation import Generation, Score
from kamerton.chat.messages import Message
from kamerton.evaluation import Generator
from kamerton.ground.digests import folder_digests
from kamerton.testing import EchoGenerator, write_tiny_base

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


def test_the_tiny_base_is_a_function_of_its_seed(tiny_base: Path, tmp_path: Path) -> None:
    assert folder_digests(write_tiny_base(tmp_path / "same")) == folder_digests(tiny_base)
    other = folder_digests(write_tiny_base(tmp_path / "other", seed=1))
    assert [name for name, sha in folder_digests(tiny_base).items() if other[name] != sha] == ["model.safetensors"]


def test_the_tiny_base_is_small_and_speaks_polish_and_chatml(tiny_base: Path) -> None:
    from kamerton.models.load import load_base

    loaded = load_base(tiny_base.name, tiny_base.parent, device="cpu")
    assert len(loaded.tokenizer) == 400
    assert loaded.context == 512
    assert sum(path.stat().st_size for path in tiny_base.iterdir()) < 200_000
    prompt: list[Message] = [{"role": "user", "content": "Dzień dobry, proszę o odpis."}]
    assert len(loaded.format.prompt_ids(prompt)) < 40
