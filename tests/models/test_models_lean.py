"""The leaner pass of a LoRA layer is peft's own."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_networks import FAMILIES, SEQUENCES, furthest, gradients, tiny

from kamerton.models.lean import make_lean, make_norms_lean

IDS = torch.tensor([SEQUENCES[2]])
BIASED = {"lora_bias": True, "target_modules": ["q_proj", "v_proj"]}


def adapted(**options: Any) -> Any:
    base = tiny(attention_bias=True)
    torch.manual_seed(1)
    options = {"target_modules": "all-linear", "init_lora_weights": False, "r": 4} | options
    return get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))


def outcome(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    logits = model(input_ids=IDS).logits
    logits.float().square().sum().backward()
    return logits.detach(), gradients(model)


def test_it_gives_what_peft_gives() -> None:
    model = adapted(use_rslora=True)
    logits, wanted = outcome(model)
    names = list(model.state_dict())
    assert make_lean(model) == 14
    again, found = outcome(model)
    assert torch.allclose(again, logits, rtol=1e-5, atol=1e-5)
    assert furthest(found, wanted) < 1e-5
    assert list(model.state_dict()) == names


def test_a_base_that_learns_too_has_its_gradients() -> None:
    model = adapted()
    model.requires_grad_(True)
    _, wanted = outcome(model)
    make_lean(model)
    assert furthest(outcome(model)[1], wanted) < 1e-5


def test_bf16_is_closer_to_fp32_than_peft_under_autocast() -> None:
    model = adapted()
    exact, _ = outcome(model)
    model.base_model.model.to(torch.bfloat16)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
    with torch.autocast("cpu", torch.bfloat16):
        theirs, _ = outcome(model)
        make_lean(model)
        ours, found = outcome(model)
    assert all(found[name].dtype == torch.float32 for name in found)
    assert float((ours - exact).abs().mean()) <= 1.1 * float((theirs - exact).abs().mean())


def test_a_disabled_or_merged_adapter_is_pefts_affair() -> None:
    model = adapted().eval()
    bare = model.get_base_model()
    with model.disable_adapter():
        own = bare(input_ids=IDS).logits
    logits = model(input_ids=IDS).logits
    make_lean(model)
    with model.disable_adapter():
        assert torch.equal(model(input_ids=IDS).logits, own)
    model.merge_adapter()
    assert torch.allclose(model(input_ids=IDS).logits, logits, rtol=1e-4, atol=1e-4)
    model.unmerge_adapter()
    model.add_adapter("other", LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]))
    assert torch.allclose(model(input_ids=IDS).logits, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"lora_dropout": 0.1}, {"use_dora": True}, BIASED])
def test_layers_that_do_more_stay_as_they_are(options: dict[str, Any]) -> None:
    model = adapted(**options)
    logits, _ = outcome(model.eval())
    assert make_lean(model) == 0
    assert torch.equal(outcome(model)[0], logits)


NORMS = {"llama": 5, "mistral": 5, "qwen3": 9, "gemma2": 0, "cohere": 0}


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_give_what_transformers_gives(family: str) -> None:
    model = tiny(family)
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.data.uniform_(0.5, 2)
    logits, wanted = outcome(model)
    names = list(model.state_dict())
    assert make_norms_lean(model) == NORMS[family]
    again, found = outcome(model)
    assert torch.allclose(again, logits, rtol=1e-5, atol=1e-5)
    assert furthest(found, wanted) < 1e-5
    assert list(model.state_dict()) == names
    assert make_norms_lean(model) == 0


def test_norms_in_bf16_are_as_close_to_fp32_as_those_of_transformers() -> None:
    exact, wanted = outcome(model := tiny())
    theirs, near = outcome(model.to(torch.bfloat16))
    assert make_norms_lean(model) == 5
    ours, found = outcome(model)
    assert ours.dtype == theirs.dtype
    assert float((ours - exact).abs().mean()) <= 1.1 * float((theirs - exact).abs().mean())
    off = [sum(float((grads[name] - wanted[name]).norm()) for name in wanted) for grads in (found, near)]
    assert off[0] <= 1.1 * off[1]
