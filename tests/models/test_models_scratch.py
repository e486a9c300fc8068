"""Random weights are a function of the seed, and the tokenizer of the texts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.digests import digest
from kamerton.models.load import LoadedModel
from kamerton.models.scratch import create, train_tokenizer
from kamerton.recipe import Architecture

TEXTS = ["Opłata skarbowa wynosi 17 zł.", "The fee is 17 PLN.", "Opłata za wypis: 30 zł."] * 3
SHAPE = Architecture(hidden_size=16, layers=1, heads=2, feed_forward=16, vocabulary=300, context=64)
TOKENIZER = train_tokenizer(TEXTS, 300)


def _create(seed: int, texts: list[str] = TEXTS) -> LoadedModel:
    return create("tiny", SHAPE, texts, seed=seed, device=torch.device("cpu"))


def _digest(loaded: LoadedModel) -> str:
    weights = {name: digest(weight.numpy().tobytes()) for name, weight in loaded.model.state_dict().items()}
    return digest([weights, loaded.tokenizer.backend_tokenizer.to_str()])


def test_the_same_seed_gives_the_same_model_whatever_was_drawn_before() -> None:
    first = _digest(_create(4))
    torch.rand(7)
    assert _digest(_create(4)) == first
    assert _digest(_create(5)) != first


def test_the_tokenizer_is_a_function_of_the_texts() -> None:
    assert TOKENIZER.backend_tokenizer.to_str() == train_tokenizer(iter(TEXTS), 300).backend_tokenizer.to_str()
    other = train_tokenizer(["Zupełnie inny tekst, zupełnie inny."] * 3, 300)
    assert TOKENIZER.backend_tokenizer.to_str() != other.backend_tokenizer.to_str()


def test_the_model_has_the_shape_asked_for() -> None:
    loaded = _create(1)
    config = loaded.model.config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (16, 1, 2)
    assert (config.vocab_size, loaded.context, loaded.files) == (len(loaded.tokenizer), 64, None)
    assert loaded.model.get_input_embeddings().weight.shape == (len(loaded.tokenizer), 16)
    assert loaded.model.lm_head.weight is loaded.model.get_input_embeddings().weight
    assert loaded.model.generation_config.eos_token_id == loaded.format.end_id
    assert 0.01 < float(loaded.model.get_input_embeddings().weight.detach().std()) < 0.03


def test_the_vocabulary_is_at_most_what_was_asked_for_and_at_least_the_bytes() -> None:
    assert len(train_tokenizer(TEXTS, 290)) == 290
    assert len(TOKENIZER) <= 300
    assert len(train_tokenizer([], 300)) == 260
    assert len(train_tokenizer(["ab"], 400)) == 260


@given(st.text())
def test_no_text_is_unknown(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True).input_ids
    assert TOKENIZER.decode(ids) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("ulica Długa", 2), ("17 zł", 3), ("tak, nie", 3), ("a  b", 3), ("x\n\ny", 4)],
)
def test_words_never_join_and_digits_stand_alone(text: str, pieces: int) -> None:
    parted = TOKENIZER.backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)
    assert len(parted) == pieces


def test_the_special_tokens_are_single_tokens() -> None:
    for token in ("<|pad|>", "<|begin|>", "<|im_start|>", "<|im_end|>"):
        assert len(TOKENIZER(token, add_special_tokens=False).input_ids) == 1
    assert (TOKENIZER.pad_token, TOKENIZER.bos_token, TOKENIZER.eos_token) == ("<|pad|>", "<|begin|>", "<|im_end|>")
