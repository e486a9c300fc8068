"""Training on adapters that are there: ours, and those of other tools."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import IDS, QUANTIZED, logits, method, needs_bitsandbytes, start, train
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from kamerton.ground.errors import RecipeError, StorageError
from kamerton.models.load import load_base
from kamerton.models.methods import load_finished, merged, save_finished, trainable_parameters
from kamerton.testing import write_tiny_base

LORA = method(rank=4)


@pytest.fixture
def first(lively_base: Path, tmp_path: Path) -> Path:
    """The folder of a trained lora."""
    loaded = start(lively_base, LORA)
    train(loaded, LORA)
    save_finished(loaded, LORA, tmp_path / "first" / "model")
    return tmp_path / "first" / "model"


@pytest.fixture
def foreign(lively_base: Path, tmp_path: Path) -> Path:
    """The folder of an adapter that plain peft made."""
    torch.manual_seed(8)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model: Any = get_peft_model(load_base(str(lively_base), tmp_path, device="cpu").model, config)
    with torch.no_grad():
        for weight in trainable_parameters(model).values():
            weight.add_(torch.randn_like(weight) * 0.2)
    model.save_pretrained(tmp_path / "foreign")
    return tmp_path / "foreign"


def _logits(folder: Path, root: Path) -> torch.Tensor:
    return logits(load_finished(folder, root, device="cpu"))


def test_the_last_adapter_is_trained_on(lively_base: Path, tmp_path: Path, first: Path) -> None:
    more = method(rank=4, start_from=[str(first)])
    loaded = start(lively_base, more)
    assert torch.equal(logits(loaded), _logits(first, tmp_path))
    assert len(trainable_parameters(loaded.model)) == 28
    losses = train(loaded, more)
    assert losses[-1] < losses[0]
    save_finished(loaded, more, tmp_path / "second" / "model")
    shutil.rmtree(first)
    assert torch.equal(_logits(tmp_path / "second" / "model", tmp_path), logits(loaded))


def test_an_adapter_of_another_tool_is_trained_on(lively_base: Path, tmp_path: Path, foreign: Path) -> None:
    more = method(rank=4, start_from=[str(foreign)])
    loaded = start(lively_base, more)
    plain: Any = load_base(str(lively_base), tmp_path, device="cpu").model
    peft: Any = PeftModel.from_pretrained(plain, str(foreign)).eval()
    with torch.no_grad():
        assert torch.equal(peft(input_ids=IDS).logits, logits(loaded))
    assert {name.split(".")[-4] for name in trainable_parameters(loaded.model)} == {"q_proj", "v_proj"}
    assert train(loaded, more)[-1] < 6


@pytest.mark.parametrize("kind", ["lora", "dora", "oft", "ia3"])
def test_a_new_adapter_stands_on_the_merged_ones(lively_base: Path, tmp_path: Path, first: Path, kind: str) -> None:
    more = method(kind=kind, start_from=[str(first)], new_adapter=True)
    loaded = start(lively_base, more)
    torch.testing.assert_close(logits(loaded), _logits(first, tmp_path), atol=2e-5, rtol=1e-5)
    train(loaded, more)
    folder = tmp_path / "second" / "model"
    save_finished(loaded, more, folder)
    shutil.rmtree(first)  # the finished one has what it needs
    assert torch.equal(_logits(folder, tmp_path), logits(loaded))
    torch.testing.assert_close(
        logits(merged(load_finished(folder, tmp_path, device="cpu"))), logits(loaded), atol=2e-5, rtol=1e-5
    )


def test_dropout_is_that_of_the_recipe(lively_base: Path, first: Path) -> None:
    def dropouts(model: Any) -> set[float]:
        return {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}

    assert dropouts(start(lively_base, method(rank=4, start_from=[str(first)])).model) == set()
    assert dropouts(start(lively_base, method(rank=4, dropout=0.25, start_from=[str(first)])).model) == {0.25}


def test_of_several_the_last_is_trained_on(lively_base: Path, tmp_path: Path, first: Path, foreign: Path) -> None:
    more = method(rank=4, start_from=[str(first), str(foreign)])
    loaded = start(lively_base, more)
    assert loaded.start == (first,)
    train(loaded, more)
    save_finished(loaded, more, tmp_path / "third" / "model")
    assert torch.equal(_logits(tmp_path / "third" / "model", tmp_path), logits(loaded))


def test_pissa_on_a_merged_adapter(lively_base: Path, tmp_path: Path, first: Path) -> None:
    more = method(rank=2, init="pissa", start_from=[str(first)], new_adapter=True)
    loaded = start(lively_base, more)
    train(loaded, more)
    save_finished(loaded, more, tmp_path / "second" / "model")
    assert torch.equal(_logits(tmp_path / "second" / "model", tmp_path), logits(loaded))


@needs_bitsandbytes
def test_on_a_quantised_base_one_can_be_trained_on_and_none_merged(
    lively_base: Path, tmp_path: Path, first: Path
) -> None:
    stored = QUANTIZED["qlora"][0]
    loaded = start(lively_base, method(rank=4, start_from=[str(first)]), quantization=stored)
    assert train(loaded, LORA)[-1] < 6
    with pytest.raises(RecipeError, match="cannot be merged into weights in nf4"):
        start(lively_base, method(start_from=[str(first)], new_adapter=True), quantization=stored)


OTHERWISE = [{"rank": 8}, {"alpha": 4.0}, {"rslora": True}, {"kind": "dora"}]
OTHERWISE += [{"targets": ["q_proj"]}, {"modules_to_save": ["norm"]}]


@pytest.mark.parametrize("settings", OTHERWISE, ids=str)
def test_a_recipe_that_says_otherwise_is_refused(lively_base: Path, first: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="LORA with r=4") as caught:
        start(lively_base, method(**{"rank": 4, "start_from": [str(first)]} | settings))
    assert "new_adapter" in caught.value.mend


def test_an_adapter_of_another_kind_is_refused(lively_base: Path, first: Path) -> None:
    with pytest.raises(RecipeError, match="is LORA with its own settings, and the recipe says OFT"):
        start(lively_base, method(kind="oft", start_from=[str(first)]))


def test_an_adapter_of_another_base_is_refused(lively_base: Path, tmp_path: Path, first: Path) -> None:
    other = write_tiny_base(tmp_path / "other", seed=5)
    with pytest.raises(RecipeError, match="trained on another base") as caught:
        start(other, method(rank=4, start_from=[str(first)]))
    assert str(lively_base) in caught.value.expected


def _change(folder: Path, **values: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | values), "utf-8")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peft_type": "LOHA"}, "not done here"),
        ({"peft_type": ["LORA"]}, "not done here"),
        ({"task_type": "NOSUCH"}, "cannot be read"),
        ({"init_lora_weights": "pissa_niter_16"}, "belongs to a changed base"),
        ({"init_lora_weights": "olora"}, "belongs to a changed base"),
        ({"target_modules": ["nosuch"]}, "does not fit this model"),
        ({"target_modules": ["q_proj"]}, r"do not fit its configuration \(4\)"),
        ({"r": 3}, "LORA with r=3|do not fit"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_named(
    lively_base: Path, foreign: Path, values: dict[str, Any], said: str
) -> None:
    _change(foreign, **values)
    with pytest.raises((StorageError, RecipeError), match=said):
        start(lively_base, method(rank=4, start_from=[str(foreign)]))


def test_an_adapter_that_is_not_there_or_damaged_is_named(lively_base: Path, tmp_path: Path, foreign: Path) -> None:
    with pytest.raises(StorageError, match="not there"):
        start(lively_base, method(rank=4, start_from=[str(tmp_path / "nowhere")]))
    tensors = load_file(foreign / "adapter_model.safetensors")
    save_file(
        {name: tensor[:, :1].contiguous() for name, tensor in tensors.items()}, foreign / "adapter_model.safetensors"
    )
    with pytest.raises(StorageError, match="do not fit"):
        start(lively_base, method(rank=4, start_from=[str(foreign)]))
    (foreign / "kamerton.json").write_text("{", "utf-8")
    with pytest.raises(StorageError, match="not a finished model"):
        start(lively_base, method(rank=4, start_from=[str(foreign)]))
