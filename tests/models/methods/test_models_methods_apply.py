"""Which weights move, how fast, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import QUANTIZED, method, needs_bitsandbytes, start

from kamerton.ground.digests import digest
from kamerton.ground.errors import RecipeError
from kamerton.models.load import LoadedModel, load_base
from kamerton.models.methods import apply_method, parameter_groups, trainable_parameters
from kamerton.recipe import FullMethod, LoraMethod

FULL = FullMethod(kind="full")
LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


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
    assert {name.split(".")[-4] for name in moving} == LINEAR
    assert len(moving) == 2 * 2 * len(LINEAR)
    assert {min(weight.shape) for weight in moving.values()} == {3}
    ids = torch.tensor([[1, 70, 71]])
    plain = load_base(str(tiny_base), Path(), device="cpu")
    base.model.eval()
    assert torch.equal(base.model(ids).logits, plain.model(ids).logits)


@pytest.mark.parametrize(
    "chosen",
    [
        method(rank=2),
        method(rank=2, init="gaussian"),
        method(rank=2, init="pissa", pissa_iterations=1),
        method(kind="prompt"),
        method(kind="prefix", init="random", projection=4),
        method(kind="p_tuning"),
    ],
    ids=lambda chosen: chosen.kind,
)
def test_new_weights_are_a_function_of_the_seed(tiny_base: Path, chosen: Any) -> None:
    def fresh(seed: int, before: int) -> str:
        torch.manual_seed(before)
        return _digest(start(tiny_base, chosen, seed=seed))

    assert fresh(5, 1) == fresh(5, 2) != fresh(6, 1)


def test_targets_choose_the_layers_and_alpha_the_scale(base: LoadedModel) -> None:
    apply_method(base, LoraMethod(rank=4, targets=["q_proj", "mlp.down_proj"]), seed=1)
    assert {name.split(".")[-4] for name in trainable_parameters(base.model)} == {"q_proj", "down_proj"}
    layer: Any = base.model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
    assert layer.scaling["default"] == 2.0


@pytest.mark.parametrize(
    ("settings", "scale"), [({}, 0.25), ({"rslora": True}, 0.5), ({"rslora": True, "rank": 9}, 1 / 3)]
)
def test_alpha_divided_by_the_rank_or_its_root_is_the_scale(
    base: LoadedModel, settings: dict[str, Any], scale: float
) -> None:
    apply_method(base, LoraMethod(**({"rank": 4, "alpha": 1.0, "targets": ["q_proj"]} | settings)), seed=1)
    layer: Any = base.model.get_submodule("base_model.model.model.layers.0.self_attn.q_proj")
    assert layer.scaling["default"] == pytest.approx(scale)


@pytest.mark.parametrize("targets", [["nosuch"], ["q_proj", "nosuch"], ["embed_tokens"], ["proj"], ["self_attn"]])
@pytest.mark.parametrize("kind", ["lora", "oft", "ia3"])
def test_a_target_that_is_no_linear_layer_is_named(base: LoadedModel, kind: str, targets: list[str]) -> None:
    before = _digest(base)
    more: dict[str, Any] = {"feedforward": []} if kind == "ia3" else {}
    with pytest.raises(RecipeError, match="no linear layer") as caught:
        apply_method(base, method(kind=kind, targets=targets, **more), seed=1)
    assert caught.value.where == "method.targets"
    assert caught.value.what.endswith(targets[-1])
    assert "q_proj" in caught.value.expected
    assert _digest(base) == before


def test_a_module_to_save_that_is_not_there_is_named(base: LoadedModel) -> None:
    with pytest.raises(RecipeError, match="no module nosuch") as caught:
        apply_method(base, method(modules_to_save=["norm", "nosuch"]), seed=1)
    assert "embed_tokens" in caught.value.expected


@pytest.mark.parametrize("kind", ["oft", "ia3"])
def test_tied_modules_are_parted_by_nobody(base: LoadedModel, kind: str) -> None:
    with pytest.raises(RecipeError, match="embed_tokens shares its weight") as caught:
        apply_method(base, method(kind=kind, modules_to_save=["embed_tokens"]), seed=1)
    assert "kind=lora" in caught.value.mend


@pytest.mark.parametrize("saved", [["embed_tokens"], ["lm_head"], ["lm_head", "embed_tokens"]])
def test_lora_keeps_tied_modules_together(base: LoadedModel, saved: list[str]) -> None:
    apply_method(base, method(rank=2, modules_to_save=saved), seed=1)
    model: Any = base.model
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert sum("modules_to_save" in name for name in trainable_parameters(model)) == 1


@pytest.mark.parametrize(("settings", "said"), [({"block_size": 5}, "block_size"), ({"blocks": 7}, "blocks")])
def test_blocks_that_do_not_divide_the_layers_are_refused(
    base: LoadedModel, settings: dict[str, int], said: str
) -> None:
    with pytest.raises(RecipeError, match="does not divide") as caught:
        apply_method(base, method(kind="oft", **settings), seed=1)
    assert caught.value.where == f"method.{said}"
    assert "4, 8, 16, 32" in caught.value.expected


def test_factors_begin_at_one_and_rotations_at_none(tiny_base: Path) -> None:
    plain = load_base(str(tiny_base), Path(), device="cpu")
    ids = torch.tensor([[1, 70, 71]])
    for kind in ("ia3", "oft"):
        loaded = start(tiny_base, method(kind=kind))
        loaded.model.eval()
        assert torch.allclose(loaded.model(ids).logits, plain.model(ids).logits, atol=1e-6)
    kinds = {name.split(".")[-3] for name in trainable_parameters(start(tiny_base, method(kind="ia3")).model)}
    assert kinds == {"k_proj", "v_proj", "down_proj"}


# Learning rates.


def test_all_weights_that_move_are_in_one_group(base: LoadedModel) -> None:
    apply_method(base, FULL, seed=1)
    (group,) = parameter_groups(base.model, FULL, 1e-3)
    assert group["lr"] == 1e-3
    assert dict(zip(group["names"], group["params"], strict=True)) == trainable_parameters(base.model)


def test_the_matrices_b_learn_faster_with_lora_plus(base: LoadedModel) -> None:
    plus = method(rank=2, plus_ratio=16.0, modules_to_save=["norm"])
    apply_method(base, plus, seed=1)
    slow, fast = parameter_groups(base.model, plus, 1e-3)
    assert (slow["lr"], fast["lr"]) == (1e-3, 16e-3)
    assert all(".lora_B." in name for name in fast["names"])
    assert not any(".lora_B." in name for name in slow["names"])
    assert any("norm" in name for name in slow["names"])
    assert {*slow["names"], *fast["names"]} == trainable_parameters(base.model).keys()


# What cannot be trained.


@needs_bitsandbytes
@pytest.mark.parametrize("chosen", [FULL, method(kind="freeze")], ids=lambda chosen: chosen.kind)
def test_integers_cannot_be_moved(tiny_base: Path, chosen: Any) -> None:
    with pytest.raises(RecipeError, match="weights in nf4 cannot be moved") as caught:
        start(tiny_base, chosen, quantization=QUANTIZED["qlora"][0])
    assert "qlora" in caught.value.mend
