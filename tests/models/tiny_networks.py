"""Tiny models of several families with random weights, and sequences for them."""

from typing import Any

import torch
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 61
SEQUENCES = [[7, 3, 9, 11, 5, 8, 2], [4], [6, 6, 1, 2, 9, 30, 31, 32, 33, 34, 35, 36], [50, 51, 52]]

FAMILIES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {"tie_word_embeddings": True}),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config, {"sliding_window": 5}),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": 5}),
    "cohere": (CohereForCausalLM, CohereConfig, {}),
}


def tiny(family: str = "llama", **options: Any) -> PreTrainedModel:
    """Two layers, two heads for keys and four for queries; weights large enough for errors to show."""
    model_class, config_class, own = FAMILIES[family]
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    config = config_class(vocab_size=VOCABULARY, initializer_range=0.2, **(shape | ends | own | options))
    model: PreTrainedModel = model_class(config)
    return model.train()


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The gradients of all weights that have one; afterwards none has."""
    found = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


def furthest(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """Largest difference of two sets of gradients, each relative to its own largest element."""
    assert found.keys() == wanted.keys()
    return max(float((found[name] - wanted[name]).abs().max() / wanted[name].abs().max()) for name in wanted)
