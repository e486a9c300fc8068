"""PiSSA begins as the base, learns its principal parts, and is saved for the unchanged base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import logits, method, start, train
from safetensors.torch import load_file

from kamerton.models.load import load_base
from kamerton.models.methods import load_finished, save_finished

RANK = 3
each_way = pytest.mark.parametrize(
    "chosen",
    [
        method(rank=RANK, init="pissa"),
        method(rank=RANK, init="pissa", rslora=True, alpha=5.0),
        method(rank=RANK, init="pissa", pissa_iterations=8),
    ],
    ids=["exact", "rslora", "fast"],
)


def _layer(loaded: Any) -> Any:
    return loaded.model.get_submodule("base_model.model.model.layers.0.mlp.up_proj")


@each_way
def test_the_principal_part_moves_out_of_the_base(lively_base: Path, chosen: Any) -> None:
    loaded = start(lively_base, chosen)
    plain: Any = load_base(str(lively_base), Path(), device="cpu")
    torch.testing.assert_close(logits(loaded), logits(plain), atol=2e-5, rtol=1e-5)
    layer, whole = _layer(loaded), plain.model.model.layers[0].mlp.up_proj.weight.detach()
    scale = layer.scaling["default"]
    assert scale == pytest.approx(5 / RANK**0.5 if chosen.rslora else 2.0)
    part = scale * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    values = torch.linalg.svdvals(whole)
    torch.testing.assert_close(torch.linalg.svdvals(part.detach())[:RANK], values[:RANK], rtol=5e-2, atol=0)
    rest = layer.base_layer.weight.detach()
    torch.testing.assert_close(torch.linalg.matrix_norm(rest, 2), values[RANK], rtol=5e-2, atol=0)


@each_way
def test_it_is_saved_with_twice_the_rank_and_comes_back_to_the_bit(
    lively_base: Path, tmp_path: Path, chosen: Any
) -> None:
    loaded = start(lively_base, chosen)
    first_a = _layer(loaded).lora_A["default"].weight.detach().clone()
    train(loaded, chosen)
    save_finished(loaded, chosen, tmp_path / "run" / "model")
    saved = load_file(tmp_path / "run" / "model" / "adapter_model.safetensors")
    a = saved["base_model.model.model.layers.0.mlp.up_proj.lora_A.weight"]
    assert a.shape[0] == 2 * RANK
    assert torch.equal(a[:RANK], _layer(loaded).lora_A["default"].weight)
    assert torch.equal(a[RANK:], first_a)
    again = load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert torch.equal(_layer(again).base_layer.weight, _layer(loaded).base_layer.weight)
    assert torch.equal(logits(again), logits(loaded))


def test_its_adapter_can_be_saved_twice(lively_base: Path, tmp_path: Path) -> None:
    chosen = method(rank=RANK, init="pissa")
    loaded = start(lively_base, chosen)
    for name in ("one", "two"):
        save_finished(loaded, chosen, tmp_path / name)
    one, two = ((tmp_path / name / "adapter_config.json").read_bytes() for name in ("one", "two"))
    assert one == two
