"""The layout of a model is the fastest in which no sequence sees another."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from tiny_networks import FAMILIES, tiny
from transformers import BertConfig, BertLMHeadModel, GptOssConfig, GptOssForCausalLM, MambaConfig, MambaForCausalLM

from kamerton.ground.errors import RecipeError
from kamerton.models.layout import choose_layout
from kamerton.models.packed import PACKED
from kamerton.models.token_loss import bare, find_head

SHAPE: dict[str, Any] = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}


def layout(model: Any, **options: Any) -> str:
    return choose_layout(model, find_head(model), **options)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_families_with_plain_attention_are_packed(family: str, dtype: torch.dtype) -> None:
    model: Any = tiny(family).to(dtype)
    assert layout(model) == "packed"
    assert model.config._attn_implementation == PACKED
    assert "_attn_implementation" not in model.config.to_json_string()
    assert model.training


def test_an_adapter_is_packed_and_tuned_prompts_are_padded() -> None:
    assert layout(get_peft_model(tiny(), LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))) == "packed"
    for config in (PromptTuningConfig, PrefixTuningConfig):
        model = get_peft_model(tiny(), config(task_type="CAUSAL_LM", num_virtual_tokens=3))
        assert layout(model) == "padded"
        assert bare(model).config._attn_implementation != PACKED


def test_whoever_wants_no_packing_gets_none() -> None:
    assert layout(tiny(), packing=False) == "padded"


def test_a_state_that_runs_through_the_row_is_padded() -> None:
    assert layout(MambaForCausalLM(MambaConfig(**SHAPE, state_size=4, initializer_range=0.2))) == "padded"


def test_attention_with_sinks_is_padded() -> None:
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 2}
    assert layout(GptOssForCausalLM(GptOssConfig(**SHAPE, **heads, num_experts_per_tok=1))) == "padded"


def test_a_model_that_sees_the_future_is_refused() -> None:
    model = BertLMHeadModel(BertConfig(**SHAPE, num_attention_heads=4, initializer_range=0.2, is_decoder=False))
    with pytest.raises(RecipeError, match="not causal"):
        layout(model)
