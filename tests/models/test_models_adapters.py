"""Which weights move, and what a finished model's folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from kamerton.ground.digests import digest, folder_digests
from kamerton.ground.errors import RecipeError, StorageError
from kamerton.models import tensors
from kamerton.models.adapters import WEIGHTS, apply_method, save_finished, trainable_parameters
from kamerton.models.load import LoadedModel, load_base
from kamerton.recipe import FullMethod, LoraMethod

FULL = FullMethod(kind="full")


@pytest.fixture
def base(tiny_base: Path) -> LoadedModel:
    return load_base(str(tiny_base), tiny_base.parent, device="cpu")


def _digest(loaded: LoadedModel) -> str:
    return digest({name: weight.detach().numpy().tobytes().hex() for name, weight in loaded.model.named_parameters()})


def test_full_moves_every_weight_and_tied_ones_once(base: LoadedModel) -> None:
    base.model.requires_grad_(False)
    apply_method(base, FULL, seed=1)
    assert list(trainable_parameters(base.model)) == [name for name, _ in base.model.named_parameters()]
    assert "lm_head.weight" not in trainable_parameters(base.model)


def test_lora_moves_adapters_alone_and_begins_as_the_base(base: LoadedModel, tiny_base: Path) -> None:
    apply_method(base, LoraMethod(rank=3), seed=1)
    moving = trainable_parameters(base.model)
    layers = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert {name.split(".")[-4] for name in moving} == set(layers)
    assert len(moving) == 2 * 2 * len(layers)
    assert {min(weight.shape) for weight in moving.values()} == {3}
    ids = torch.tensor([[1, 70, 71]])
    plain = load_base(str(tiny_base), Path(), device="cpu")
    base.model.eval()
    assert torch.equal(base.model(ids).logits, plain.model(ids).logits)


def test_new_weights_are_a_function_of_the_seed(tiny_base: Path) -> None:
    def fresh(seed: int, before: int) -> str:
        loaded = load_base(str(tiny_base), Path(), device="cpu")
        torch.manual_seed(before)
        apply_method(loaded, LoraMethod(rank=2), seed=seed)
        return _digest(loaded)

    assert fresh(5, 1) == fresh(5, 2) != fresh(6, 1)


def test_targets_choose_the_layers_and_alpha_the_scale(base: LoadedModel) -> None:
    apply_method(base, LoraMethod(rank=4, targets=["q_proj", "down_proj"]), seed=1)
    assert {name.split(".")[-4] for name in trainable_parameters(base.model)} == {"q_proj", "down_proj"}
    layer: Any = base.model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
    assert layer.scaling["default"] == 2.0


def test_alpha_divided_by_the_rank_is_the_scale(base: LoadedModel) -> None:
    apply_method(base, LoraMethod(rank=4, alpha=1.0, targets=["q_proj"]), seed=1)
    layer: Any = base.model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
    assert layer.scaling["default"] == 0.25


@pytest.mark.parametrize("targets", [["nosuch"], ["q_proj", "nosuch"], ["embed_tokens"], ["proj"], ["self_attn"]])
def test_a_target_that_is_no_linear_layer_is_named(base: LoadedModel, targets: list[str]) -> None:
    before = _digest(base)
    with pytest.raises(RecipeError, match="no linear layer") as caught:
        apply_method(base, LoraMethod(targets=targets), seed=1)
    assert caught.value.where == "method.targets"
    assert caught.value.what.endswith(targets[-1])
    assert "q_proj" in caught.value.expected
    assert _digest(base) == before


def test_an_adapters_folder(base: LoadedModel, tiny_base: Path, tmp_path: Path) -> None:
    apply_method(base, LoraMethod(rank=2), seed=1)
    save_finished(base, LoraMethod(rank=2), tmp_path)
    saved = load_file(tmp_path / WEIGHTS["lora"])
    assert {str(weight.dtype) for weight in saved.values()} == {"torch.float32"}
    assert not [name for name in saved if "default" in name]
    config = json.loads((tmp_path / "adapter_config.json").read_text("utf-8"))
    assert (config["r"], config["peft_type"], config["base_model_name_or_path"]) == (2, "LORA", str(tiny_base))
    assert config["target_modules"] == sorted(config["target_modules"])
    about = json.loads((tmp_path / "kamerton.json").read_text("utf-8"))
    assert base.files is not None
    assert about == {
        "base": str(tiny_base),
        "base_digest": digest(base.files.weights()),
        "method": "lora",
        "template": "tokenizer",
    }


def test_a_full_models_folder_is_a_base_that_others_can_load(base: LoadedModel, tmp_path: Path) -> None:
    save_finished(base, FULL, tmp_path)
    saved = load_file(tmp_path / WEIGHTS["full"])
    assert {str(weight.dtype) for weight in saved.values()} == {"torch.bfloat16"}
    assert "lm_head.weight" not in saved
    again = load_base(str(tmp_path), Path(), device="cpu")
    assert again.format.digest == base.format.digest
    assert [weight.shape for weight in again.model.parameters()] == [w.shape for w in base.model.parameters()]


@pytest.mark.parametrize("method", [LoraMethod(rank=2), FULL], ids=lambda method: method.kind)
def test_the_same_model_gives_the_same_bytes(tiny_base: Path, tmp_path: Path, method: Any) -> None:
    for name in ("one", "two"):
        loaded = load_base(str(tiny_base), Path(), device="cpu")
        apply_method(loaded, method, seed=1)
        save_finished(loaded, method, tmp_path / name)
    assert folder_digests(tmp_path / "one") == folder_digests(tmp_path / "two")


def test_nothing_in_a_models_folder_is_pickled_or_private(base: LoadedModel, tmp_path: Path) -> None:
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
