"""Loading: traps in published files are taken out, damage is named, nothing is filled in with random numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import AddedToken

from kamerton.ground.errors import KamertonError, RecipeError, StorageError
from kamerton.models.generate import TransformersGenerator
from kamerton.models.load import (
    chat_format,
    load_base,
    load_tokenizer,
    pick_device,
)

ASKED: list[Any] = [[{"role": "user", "content": text}] for text in ("Dzień dobry!", "Where is the office?")]
ANSWERED: list[Any] = [[*asked, {"role": "assistant", "content": "Pokój 12."}] for asked in ASKED]

Variant = Callable[..., Path]


# Tokenizers.


def test_truncation_and_padding_in_a_published_tokenizer_are_switched_off(variant: Variant) -> None:
    trap = {
        "truncation": {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 64},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "<|pad|>",
        },
    }
    folder = variant(tokenizer__json=trap)
    long = "Proszę o wydanie odpisu. " * 20
    loaded = load_base("variant", folder.parent, device="cpu")
    assert len(loaded.format.text(long).ids) > 100
    assert len(loaded.format.text("x").ids) == 3
    assert len(loaded.tokenizer.encode(long)) > 100


@pytest.mark.parametrize(
    "files",
    [
        {"tokenizer__json": None},
        {"tokenizer__json": b"{"},
        {"tokenizer__json": b"{}"},
        {"tokenizer__json": b"[]"},
        {"tokenizer__json": {"version": "9"}},
        {"tokenizer__json": {"model": {"type": "Telepathy"}}},
        {"tokenizer_config__json": b"{"},
    ],
    ids=str,
)
def test_a_tokenizer_that_cannot_be_read_is_named(variant: Variant, files: dict[str, Any]) -> None:
    folder = variant(**files)
    with pytest.raises(RecipeError, match="tokenizer") as caught:
        load_tokenizer(folder)
    assert caught.value.where == str(folder)


# Chat formats.


def test_a_format_follows_the_recipe(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    own, named = chat_format(tokenizer, "tokenizer"), chat_format(tokenizer, "chatml")
    assert own.digest == named.digest
    assert own.prompt_ids(ASKED[0]) == named.prompt_ids(ASKED[0])
    plain = chat_format(tokenizer, "plain")
    assert "<|im_start|>" not in plain.render(ASKED[0])
    assert plain.digest != own.digest


@pytest.mark.parametrize(
    ("template", "missing"),
    [
        ("chatml", r"<\|im_start\|> and <\|im_end\|>"),
        ("qwen", r"<\|im_start\|> and <\|im_end\|>"),
        ("llama3", r"<\|start_header_id\|> and <\|end_header_id\|> and <\|eot_id\|>"),
        ("alpaca", "that ends a sequence"),
        ("plain", "that ends a sequence"),
    ],
)
def test_a_named_template_needs_its_tokens(tiny_base: Path, template: str, missing: str) -> None:
    chat_format(load_tokenizer(tiny_base), "default")
    bare = SimpleNamespace(
        added_tokens_decoder={7: AddedToken("<|im_end|>", special=False)}, all_special_tokens=["<pad>"], eos_token=None
    )
    with pytest.raises(RecipeError, match=rf"no special token {missing}\n") as caught:
        chat_format(bare, template, 7)
    assert caught.value.where == f"model.chat_template: {template}"


def test_a_tokenizer_without_an_end_is_refused_unless_the_model_names_one(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    tokenizer.eos_token = None
    with pytest.raises(RecipeError, match="no end-of-sequence token"):
        chat_format(tokenizer, "tokenizer")
    assert chat_format(tokenizer, "tokenizer", 7).end_id == 7


def test_a_tokenizer_without_a_template_knows_texts_only(variant: Variant) -> None:
    loaded = load_base(str(variant(chat_template__jinja=None)), Path(), device="cpu")
    assert loaded.format.text("tak").trained_count
    with pytest.raises(RecipeError, match="no chat template"):
        loaded.format.prompt_ids(ASKED[0])


def test_of_several_templates_the_default_is_taken(tiny_base: Path) -> None:
    tokenizer = load_tokenizer(tiny_base)
    own = tokenizer.chat_template
    tokenizer.chat_template = {"tool_use": "no", "default": own}
    assert chat_format(tokenizer, "tokenizer").template == own
    tokenizer.chat_template = {"tool_use": "no"}
    with pytest.raises(RecipeError, match="no chat template"):
        chat_format(tokenizer, "tokenizer").prompt_ids(ASKED[0])


def test_a_batch_can_be_filled_up_without_a_pad_token(variant: Variant) -> None:
    folder = variant(tokenizer_config__json={"pad_token": None})
    loaded = load_base("variant", folder.parent, device="cpu")
    assert loaded.tokenizer.pad_token_id is None
    assert loaded.pad_id == loaded.format.end_id
    generator = TransformersGenerator(loaded)
    assert generator.score(ANSWERED) == [generator.score([each])[0] for each in ANSWERED]


# Base models.


def test_a_base_is_ready_to_score(tiny_base: Path) -> None:
    loaded = load_base(tiny_base.name, tiny_base.parent, device="cpu")
    assert not loaded.model.training
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    assert (loaded.context, loaded.device.type, loaded.template) == (512, "cpu", "tokenizer")
    assert loaded.format.end_id == loaded.tokenizer.eos_token_id == 3


@pytest.mark.parametrize(
    ("files", "error", "said"),
    [
        ({"model__safetensors": b""}, StorageError, "damaged"),
        ({"model__safetensors": b"not tensors at all " * 30}, StorageError, "damaged"),
        ({"config__json": b"{"}, RecipeError, "JSON"),
        ({"generation_config__json": b"{"}, RecipeError, "JSON"),
        ({"config__json": {"model_type": "telepathy"}}, RecipeError, "telepathy"),
        ({"config__json": {"auto_map": {"AutoConfig": "x.C"}, "model_type": "x"}}, RecipeError, "custom code"),
        ({"config__json": {"num_hidden_layers": 3}}, RecipeError, r"another shape \(9\): model\.layers\.2"),
        ({"config__json": {"hidden_size": 64}}, RecipeError, r"of another shape \(20\)"),
        ({"config__json": {"vocab_size": 300}}, RecipeError, r"another shape \(1\): model\.embed_tokens\.weight"),
        ({"config__json": {"model_type": "bert"}}, RecipeError, "missing"),
    ],
    ids=str,
)
def test_a_base_that_is_not_whole_is_never_filled_in(
    variant: Variant, files: dict[str, Any], error: type[KamertonError], said: str
) -> None:
    folder = variant(**files)
    with pytest.raises(error, match=said) as caught:
        load_base("variant", folder.parent, device="cpu")
    assert str(folder) in caught.value.where


def test_weights_that_were_cut_short_are_refused(variant: Variant, tiny_base: Path) -> None:
    whole = (tiny_base / "model.safetensors").read_bytes()
    with pytest.raises(StorageError, match="damaged"):
        load_base(str(variant(model__safetensors=whole[:-1])), Path(), device="cpu")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="no CUDA GPU"):
        pick_device("cuda")
    assert pick_device("auto").type == pick_device("cpu").type == "cpu"
