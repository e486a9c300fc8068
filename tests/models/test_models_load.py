"""Loading: traps in published files are taken out, damage is named, nothing is filled in with random numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kamerton.ground.errors import KamertonError, RecipeError, StorageError
from kamerton.models.adapters import apply_method, save_finished, trainable_parameters
from kamerton.models.generate import TransformersGenerator
from kamerton.models.load import (
    LoadedModel,
    chat_format,
    load_base,
    load_finished,
    load_tokenizer,
    pick_device,
)
from kamerton.recipe import FullMethod, LoraMethod, Method
from kamerton.testing import write_tiny_base

LORA, FULL = LoraMethod(rank=2), FullMethod(kind="full")
ASKED: list[Any] = [[{"role": "user", "content": text}] for text in ("Dzień dobry!", "Where is the office?")]
ANSWERED: list[Any] = [[*asked, {"role": "assistant", "content": "Pokój 12."}] for asked in ASKED]

Variant = Callable[..., Path]


def _finish(base: Path, method: Method, folder: Path) -> LoadedModel:
    """A model as training leaves it, written to the folder."""
    loaded = load_base(str(base), base.parent, device="cpu")
    apply_method(loaded, method, seed=3)
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in trainable_parameters(loaded.model).values():
            weight.add_(torch.randn_like(weight) * 0.3)
    save_finished(loaded, method, folder)
    loaded.model.eval()
    return loaded


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


def test_chatml_needs_its_tokens(tiny_base: Path) -> None:
    class Bare:
        chat_template = None
        eos_token_id = 3

        def get_vocab(self) -> dict[str, int]:
            return {"<|im_end|>": 3}

    with pytest.raises(RecipeError, match=r"no token <\|im_start\|>\n") as caught:
        chat_format(Bare(), "chatml")
    assert caught.value.mend == "set model.chat_template=plain"


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


# Finished models.


def test_an_adapter_comes_back_to_the_bit(tiny_base: Path, tmp_path: Path) -> None:
    before = _finish(tiny_base, LORA, tmp_path / "run" / "model")
    after = load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert after.name == "run"
    assert not after.model.training
    assert not trainable_parameters(after.model)
    left, right = TransformersGenerator(before), TransformersGenerator(after)
    assert left.score(ANSWERED) == right.score(ANSWERED)
    assert left.generate(ASKED, 30) == right.generate(ASKED, 30)
    bare = TransformersGenerator(load_base(str(tiny_base), tmp_path, device="cpu"))
    assert bare.score(ANSWERED) != right.score(ANSWERED)


def test_full_weights_come_back_as_they_were_rounded(tiny_base: Path, tmp_path: Path) -> None:
    before = _finish(tiny_base, FULL, tmp_path / "run" / "model")
    exact = TransformersGenerator(before).score(ANSWERED)
    with torch.no_grad():
        for weight in before.model.parameters():
            weight.copy_(weight.to(torch.bfloat16))
    left = TransformersGenerator(before)
    right = TransformersGenerator(load_finished(tmp_path / "run" / "model", tmp_path, device="cpu"))
    assert left.score(ANSWERED) == right.score(ANSWERED) != exact
    assert left.generate(ASKED, 30) == right.generate(ASKED, 30)


def test_a_finished_model_keeps_the_template_of_its_recipe(tiny_base: Path, tmp_path: Path) -> None:
    for method in (FULL, LORA):
        loaded = load_base(str(tiny_base), tmp_path, template="plain", device="cpu")
        apply_method(loaded, method, seed=1)
        save_finished(loaded, method, tmp_path / method.kind / "model")
        again = load_finished(tmp_path / method.kind / "model", tmp_path, device="cpu")
        assert again.format.digest == loaded.format.digest
        assert again.template == "plain"


def test_a_base_with_other_bytes_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    _finish(base, LORA, tmp_path / "run" / "model")
    load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    write_tiny_base(base, seed=1)
    with pytest.raises(StorageError, match="other weights than the adapter was trained on") as caught:
        load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert caught.value.where == str(base)


def test_a_base_that_is_gone_is_named(tiny_base: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    _finish(base, LORA, tmp_path / "run" / "model")
    shutil.rmtree(base)
    with pytest.raises(RecipeError, match="no such model"):
        load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")


def _drop_tensor(path: Path) -> None:
    tensors = load_file(path)
    del tensors[min(tensors)]
    save_file(tensors, path)


def _set(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("kamerton.json", Path.unlink, "not a finished model"),
        ("kamerton.json", lambda path: path.write_text("{"), "not a finished model"),
        ("kamerton.json", lambda path: path.write_text("{}"), "not a finished model"),
        ("kamerton.json", lambda path: path.write_text("[]"), "not a finished model"),
        ("kamerton.json", lambda path: path.write_bytes(b"\xff"), "not a finished model"),
        ("adapter_config.json", Path.unlink, "not there"),
        ("adapter_config.json", lambda path: path.write_text("{"), "cannot be read"),
        ("adapter_config.json", lambda path: _set(path, r=4), "do not fit"),
        ("adapter_model.safetensors", Path.unlink, "not there"),
        ("adapter_model.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged"),
        ("adapter_model.safetensors", _drop_tensor, "do not fit"),
    ],
)
def test_a_damaged_adapter_is_refused(
    tiny_base: Path, tmp_path: Path, file: str, damage: Callable[[Path], object], said: str
) -> None:
    folder = tmp_path / "run" / "model"
    _finish(tiny_base, LORA, folder)
    damage(folder / file)
    with pytest.raises(StorageError, match=said) as caught:
        load_finished(folder, tmp_path, device="cpu")
    assert str(folder) in caught.value.where
