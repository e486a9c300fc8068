"""Architectures whose layers have other names, shapes or caches: each method learns on each, or says why not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from method_samples import PLAIN, QUANTIZED, logits, method, needs_bitsandbytes, start, train
from transformers import AutoModelForCausalLM

from kamerton.ground.errors import RecipeError
from kamerton.models.methods import load_finished, merged, save_finished

TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 3}
SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 512,
} | TOKENS
GROUPED = SHAPE | {"num_key_value_heads": 2, "head_dim": 16}
GPT2 = {"vocab_size": 400, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "embd_pdrop": 0.0} | TOKENS
BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", GPT2 | {"resid_pdrop": 0.0, "attn_pdrop": 0.0}),
    "grouped": ("LlamaConfig", GROUPED | {"tie_word_embeddings": False}),
    "qwen3": ("Qwen3Config", GROUPED),
    "gemma2": ("Gemma2Config", GROUPED),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"sliding_window": 16}),
    "phi3": ("Phi3Config", SHAPE),
    "mixtral": ("MixtralConfig", GROUPED | {"num_local_experts": 2}),
    "neox": ("GPTNeoXConfig", SHAPE),
    "mistral": ("MistralConfig", GROUPED | {"sliding_window": 16}),
    "opt": ("OPTConfig", SHAPE | {"ffn_dim": 64, "word_embed_proj_dim": 32, "dropout": 0.0}),
    "mamba": ("MambaConfig", {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4} | TOKENS),
}

METHODS = {name: PLAIN[name] for name in ("full", "dora", "pissa", "ia3", "oft", "prompt", "prefix", "p_tuning")}
METHODS |= {"freeze": method(kind="freeze", layers=1), "lora": method(rank=4), "qlora": QUANTIZED["qlora"][1]}

WINDOW, STATE, EXPERTS = "have a window or none", "keeps a state", "several|is none|cannot take this adapter"
REFUSED = {
    ("gpt2", "oft"): "store their weights transposed",
    ("gemma2", "prefix"): WINDOW,
    ("gemma3", "prefix"): WINDOW,
    ("mistral", "prefix"): WINDOW,
    ("phi3", "ia3"): "usual layers of phi3 are not known",
    ("mixtral", "dora"): EXPERTS,
    ("mixtral", "pissa"): EXPERTS,
    ("mamba", "ia3"): "usual layers of mamba are not known",
} | {("mamba", name): "cannot take this adapter" for name in ("lora", "dora", "pissa", "qlora")}
REFUSED |= {("mamba", name): STATE for name in ("prompt", "prefix", "p_tuning")}
FAST = {("gpt2", "lora"), ("grouped", "prefix"), ("mistral", "prefix"), ("mamba", "prompt"), ("opt", "prompt")}


def _marks(base: str, name: str) -> list[pytest.MarkDecorator]:
    marks = [needs_bitsandbytes] if name == "qlora" else []
    return marks if (base, name) in FAST else [*marks, pytest.mark.slow]


PAIRS = [pytest.param(base, name, marks=_marks(base, name)) for base in BASES for name in METHODS]


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path, base: str) -> Path:
    """A random base of this architecture, with the tokenizer of the tests."""
    kind, shape = BASES[base]
    place = Path(shutil.copytree(tiny_base, tmp_path / base))
    (place / "model.safetensors").unlink()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**shape))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1 and base != "mamba":
                weight.mul_(6)
    model.save_pretrained(place)
    return place


@pytest.mark.parametrize(("base", "name"), PAIRS)
def test_a_method_learns_on_a_base_or_says_why_not(folder: Path, tmp_path: Path, base: str, name: str) -> None:
    chosen = METHODS[name]
    stored = QUANTIZED["qlora"][0] if name == "qlora" else None
    if (base, name) in REFUSED:
        with pytest.raises(RecipeError, match=REFUSED[base, name]):
            start(folder, chosen, quantization=stored)
        return
    loaded = start(folder, chosen, quantization=stored)
    losses = train(loaded, chosen)
    assert losses[-1] < losses[0]
    save_finished(loaded, chosen, tmp_path / "run" / "model")
    loaded.model.requires_grad_(False)  # Mamba's convolution takes another kernel for weights that move
    again = load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert torch.equal(logits(again), logits(loaded))
    if name in ("lora", "dora", "pissa", "ia3", "oft"):
        torch.testing.assert_close(logits(merged(again)), logits(loaded), atol=2e-4, rtol=1e-4)
