"""Finished models come back as they were left, and damage to their folders is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import IDS, PLAIN, logits, start, train
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from kamerton.ground.digests import digest
from kamerton.ground.errors import RecipeError, StorageError
from kamerton.models import tensors
from kamerton.models.generate import TransformersGenerator
from kamerton.models.load import LoadedModel, load_base
from kamerton.models.methods import (
    WEIGHTS,
    apply_method,
    load_finished,
    merged,
    save_finished,
    trainable_parameters,
)
from kamerton.recipe import FullMethod, LoraMethod, Method
from kamerton.testing import write_tiny_base

LORA, FULL = LoraMethod(rank=2), FullMethod(kind="full")
ASKED: list[Any] = [[{"role": "user", "content": text}] for text in ("Dzień dobry!", "Where is the office?")]
ANSWERED: list[Any] = [[*asked, {"role": "assistant", "content": "Pokój 12."}] for asked in ASKED]


@pytest.fixture
def base(tiny_base: Path) -> LoadedModel:
    return load_base(str(tiny_base), tiny_base.parent, device="cpu")


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


def test_full_weights_come_back_rounded_where_that_is_asked_for(lively_base: Path, tmp_path: Path) -> None:
    rounded = FullMethod(kind="full", save_precision="bf16")
    before = _finish(lively_base, rounded, tmp_path / "run" / "model")
    exact = logits(before)
    with torch.no_grad():
        for weight in before.model.parameters():
            weight.copy_(weight.to(torch.bfloat16))
    again = logits(load_finished(tmp_path / "run" / "model", tmp_path, device="cpu"))
    assert torch.equal(logits(before), again)
    assert not torch.equal(exact, again)
    sizes = {}
    for chosen in (FULL, rounded):
        save_finished(before, chosen, tmp_path / chosen.save_precision)
        sizes[chosen.save_precision] = (tmp_path / chosen.save_precision / WEIGHTS["full"]).stat().st_size
    assert sizes["fp32"] > 1.8 * sizes["bf16"]


def test_a_finished_model_keeps_the_template_of_its_recipe(tiny_base: Path, tmp_path: Path) -> None:
    for method in (FULL, LORA):
        loaded = load_base(str(tiny_base), tmp_path, template="plain", device="cpu")
        apply_method(loaded, method, seed=1)
        save_finished(loaded, method, tmp_path / method.kind / "model")
        again = load_finished(tmp_path / method.kind / "model", tmp_path, device="cpu")
        assert again.format.digest == loaded.format.digest
        assert again.template == "plain"


@pytest.mark.parametrize("method", [LORA, FULL], ids=lambda method: method.kind)
@pytest.mark.parametrize("template", ["tokenizer", "plain", "llama2", "zephyr", "alpaca", "mistral", "qwen3"])
def test_other_programs_find_the_template_that_was_trained_with(
    tiny_base: Path, tmp_path: Path, template: str, method: Method
) -> None:
    loaded = load_base(str(tiny_base), tmp_path, template=template, device="cpu")
    apply_method(loaded, method, seed=1)
    save_finished(loaded, method, tmp_path / "model")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "model")
    for turns in (*ASKED, *ANSWERED, [*ANSWERED[0], *ASKED[1]], [{"role": "system", "content": "Krótko."}, *ASKED[0]]):
        asking = turns[-1]["role"] == "user"
        text = theirs.apply_chat_template(turns, tokenize=False, add_generation_prompt=asking)
        assert text == loaded.format.render(turns, answering=asking)


def test_a_model_is_measured_in_fp32_whatever_it_was_trained_in(lively_base: Path, tmp_path: Path) -> None:
    trained = _finish(lively_base, LORA, tmp_path / "run" / "model")
    exact = logits(trained)
    for weight in trained.model.parameters():
        if not weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)
    save_finished(trained, LORA, tmp_path / "rough" / "model")
    measured = load_finished(tmp_path / "rough" / "model", tmp_path, device="cpu")
    assert {weight.dtype for weight in measured.model.parameters()} == {torch.float32}
    assert torch.equal(logits(measured), exact)


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


def test_damage_to_moved_weights_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "model"
    file = folder / WEIGHTS["freeze"]

    def refused(said: str) -> None:
        with pytest.raises(StorageError, match=said) as caught:
            load_finished(folder, tmp_path, device="cpu")
        assert str(folder) in caught.value.where

    _finish(tiny_base, PLAIN["freeze"], folder)
    whole = load_file(file)
    assert len(whole) == 9
    for change in (
        {},
        {name: tensor for name, tensor in whole.items() if "q_proj" not in name},
        {name: tensor[:1] for name, tensor in whole.items()},
        whole | {"model.embed_tokens.weight": torch.zeros(400, 32)},
    ):
        save_file({name: tensor.contiguous() for name, tensor in change.items()}, file)
        refused("do not fit")
    _set(folder / "kamerton.json", moved=["model.nosuch.weight"])
    save_file({"model.nosuch.weight": torch.zeros(1)}, file)
    refused("do not fit")
    file.write_bytes(file.read_bytes()[:-1])
    refused("damaged")
    file.unlink()
    refused("not there")


@pytest.mark.parametrize(
    "change", [{"method": "telepathy"}, {"method": None}, {"quantization": {"bits": 4}}, {"labels": 3}]
)
def test_a_document_of_something_else_is_refused(tiny_base: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    _finish(tiny_base, LORA, tmp_path / "run" / "model")
    _set(tmp_path / "run" / "model" / "kamerton.json", **change)
    with pytest.raises(StorageError, match="not a finished model"):
        load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")


# What a folder holds.


def test_an_adapters_folder(base: LoadedModel, tiny_base: Path, tmp_path: Path) -> None:
    apply_method(base, LORA, seed=1)
    save_finished(base, LORA, tmp_path)
    saved = load_file(tmp_path / WEIGHTS["lora"])
    assert {str(weight.dtype) for weight in saved.values()} == {"torch.float32"}
    assert not [name for name in saved if "default" in name]
    config = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert (config["r"], config["peft_type"], config["base_model_name_or_path"]) == (2, "LORA", str(tiny_base))
    assert config["target_modules"] == sorted(config["target_modules"])
    assert config["inference_mode"] is True
    about = json.loads((tmp_path / "kamerton.json").read_text("utf-8"))
    assert base.files is not None
    assert about == {
        "base": str(tiny_base),
        "base_digest": digest(base.files.weights),
        "method": "lora",
        "pissa": False,
        "quantization": None,
        "start": [],
        "template": "tokenizer",
    }


@pytest.mark.parametrize("name", ["lora", "lora_plus", "rslora", "dora", "pissa", "lora_embeddings", "ia3", "oft"])
def test_plain_peft_loads_what_was_saved(lively_base: Path, tmp_path: Path, name: str) -> None:
    loaded = start(lively_base, PLAIN[name])
    train(loaded, PLAIN[name], steps=3)
    save_finished(loaded, PLAIN[name], tmp_path / "model")
    plain: Any = load_base(str(lively_base), tmp_path, device="cpu").model
    if name == "lora_embeddings":
        plain.config.vocab_size = 400
    peft: Any = PeftModel.from_pretrained(plain, str(tmp_path / "model")).eval()
    with torch.no_grad():
        torch.testing.assert_close(peft(input_ids=IDS).logits, logits(loaded), atol=2e-5, rtol=1e-5)


def test_a_full_models_folder_is_a_base_that_others_can_load(base: LoadedModel, tmp_path: Path) -> None:
    save_finished(base, FULL, tmp_path)
    saved = load_file(tmp_path / WEIGHTS["full"])
    assert {str(weight.dtype) for weight in saved.values()} == {"torch.float32"}
    assert "lm_head.weight" not in saved
    again = load_base(str(tmp_path), Path(), device="cpu")
    assert again.format.digest == base.format.digest
    assert torch.equal(logits(again), logits(base))


def test_nothing_in_a_models_folder_is_private(base: LoadedModel, tmp_path: Path) -> None:
    save_finished(base, FULL, tmp_path / "model")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".jinja"}
    assert not [path for path in files if not path.stat().st_mode & 0o004]


def test_a_full_disk_is_a_sentence(base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(StorageError, match="no space is left"):
        save_finished(base, FULL, tmp_path)


# Merging.


@pytest.mark.parametrize("name", ["full", "freeze", "lora", "lora_embeddings", "rslora", "dora", "pissa", "ia3", "oft"])
def test_merged_weights_are_the_same_function(lively_base: Path, tmp_path: Path, name: str) -> None:
    loaded = start(lively_base, PLAIN[name])
    train(loaded, PLAIN[name])
    before = logits(loaded)
    save_finished(loaded, PLAIN[name], tmp_path / "run" / "model")
    one = merged(load_finished(tmp_path / "run" / "model", tmp_path, device="cpu"))
    assert type(one.model).__name__ == "LlamaForCausalLM"
    torch.testing.assert_close(logits(one), before, atol=2e-5, rtol=1e-5)
    save_finished(one, FULL, tmp_path / "merged")
    again = load_base(str(tmp_path / "merged"), tmp_path, device="cpu")
    assert torch.equal(logits(again), logits(one))


# A head in place of the vocabulary.


@pytest.mark.parametrize("name", ["full", "freeze", "lora", "dora", "pissa", "ia3", "oft_blocks"])
def test_a_classification_head_is_trained_and_saved(lively_base: Path, tmp_path: Path, name: str) -> None:
    labels = ("nie", "tak", "może")
    loaded = load_base(str(lively_base), tmp_path, device="cpu", labels=labels)
    assert not logits(loaded).any()
    apply_method(loaded, PLAIN[name], seed=3)
    moving = trainable_parameters(loaded.model)
    assert sum("score" in place for place in moving) == 1
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in moving.values():
            weight.add_(torch.randn_like(weight) * 0.1)
    save_finished(loaded, PLAIN[name], tmp_path / "run" / "model")
    again = load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert again.labels == labels
    assert logits(again).shape == (4, 3)
    assert torch.equal(logits(again), logits(loaded))
    assert again.model.config.id2label == dict(enumerate(labels))


def test_a_model_that_can_have_no_head_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    _set(folder / "config.json", model_type="mamba")
    with pytest.raises(RecipeError, match="no classification head"):
        load_base(str(folder), tmp_path, device="cpu", labels=("a", "b"))
