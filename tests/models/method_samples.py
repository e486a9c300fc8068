"""Every method with settings that differ, and a training of ten lines."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from kamerton.models.load import LoadedModel, load_base
from kamerton.models.methods import apply_method, parameter_groups
from kamerton.models.quantize import Quantization
from kamerton.recipe import Method

RATES = {"full": 3e-3, "freeze": 3e-2, "ia3": 3e-1, "oft": 1e-2, "prompt": 1e-1, "prefix": 1e-1, "p_tuning": 1e-2}
"""High, because the random base of the tests is far from everything; lora learns at 1e-2."""

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="the extra quantization is not installed"
)


def method(**values: Any) -> Any:
    """A method as a recipe gives it."""
    return TypeAdapter(Method).validate_python(values)


PLAIN = {
    "full": method(kind="full"),
    "freeze": method(kind="freeze", layers=1),
    "freeze_parts": method(kind="freeze", layers=-1, modules=["self_attn"], extra_modules=["embed_tokens", "norm"]),
    "lora": method(rank=4),
    "lora_dropout": method(rank=4, dropout=0.2, alpha=3.0, targets=["q_proj", "mlp.down_proj"]),
    "lora_gaussian": method(rank=4, init="gaussian"),
    "lora_plus": method(rank=4, plus_ratio=8.0),
    "lora_embeddings": method(rank=4, modules_to_save=["embed_tokens", "norm"]),
    "rslora": method(rank=4, rslora=True),
    "dora": method(kind="dora", rank=4),
    "pissa": method(rank=3, init="pissa"),
    "pissa_fast": method(rank=3, init="pissa", pissa_iterations=4, rslora=True),
    "ia3": method(kind="ia3"),
    "ia3_named": method(kind="ia3", targets=["v_proj", "up_proj"], feedforward=[]),
    "oft": method(kind="oft"),
    "oft_blocks": method(kind="oft", blocks=2, dropout=0.1, targets=["q_proj", "o_proj"], modules_to_save=["norm"]),
    "prompt": method(kind="prompt", virtual_tokens=5),
    "prompt_random": method(kind="prompt", virtual_tokens=5, init="random"),
    "prompt_text": method(kind="prompt", virtual_tokens=9, init="text", text="Odpowiedz krótko."),
    "prefix": method(kind="prefix", virtual_tokens=5),
    "prefix_text": method(kind="prefix", virtual_tokens=3, init="text", text="Odpowiedz."),
    "prefix_projected": method(kind="prefix", virtual_tokens=5, init="random", projection=16),
    "p_tuning": method(kind="p_tuning", virtual_tokens=5),
    "p_tuning_narrow": method(kind="p_tuning", virtual_tokens=5, hidden_size=8),
}
"""By name, for a base that is not quantised."""

QUANTIZED = {
    "qlora": (Quantization("nf4"), method(kind="qlora", rank=4)),
    "qlora_single": (Quantization("nf4", double=False), method(kind="qlora", rank=4, rslora=True)),
    "qlora_bf16": (Quantization("nf4", compute="bf16"), method(kind="qlora", rank=4)),
    "fp4": (Quantization("fp4"), method(rank=4)),
    "int8": (Quantization("int8"), method(rank=4)),
    "nf4_dora": (Quantization("nf4"), method(kind="dora", rank=4)),
    "nf4_ia3": (Quantization("nf4"), method(kind="ia3")),
    "int8_ia3": (Quantization("int8"), method(kind="ia3")),
    "nf4_oft": (Quantization("nf4"), method(kind="oft")),
    "int8_oft": (Quantization("int8"), method(kind="oft")),
    "nf4_prompt": (Quantization("nf4"), method(kind="prompt", virtual_tokens=5)),
    "int8_prefix": (Quantization("int8"), method(kind="prefix", virtual_tokens=5)),
    "nf4_p_tuning": (Quantization("nf4"), method(kind="p_tuning", virtual_tokens=5)),
}
"""By name, with how the base is stored."""

_FIRST = {"full", "freeze_parts", "lora_plus", "dora", "pissa", "ia3", "oft", "prompt", "prefix", "p_tuning"}
_FIRST |= {"qlora", "int8", "nf4_prompt"}


def _marks(name: str) -> list[pytest.MarkDecorator]:
    marks = [] if name in _FIRST else [pytest.mark.slow]
    return [*marks, needs_bitsandbytes] if name in QUANTIZED else marks


PAIRS = [
    pytest.param(stored, chosen, id=name, marks=_marks(name))
    for name, (stored, chosen) in ({name: (None, chosen) for name, chosen in PLAIN.items()} | QUANTIZED).items()
]
"""All of them, one of each family fast."""

IDS = torch.tensor([[1] + [(7 * place * place + 11 * row) % 390 + 5 for place in range(23)] for row in range(4)])
"""Four sequences of 24 tokens."""


def start(base: Path, chosen: Any, *, quantization: Quantization | None = None, seed: int = 3) -> LoadedModel:
    """A base with a method applied."""
    loaded = load_base(str(base), base.parent, device="cpu", quantization=quantization)
    apply_method(loaded, chosen, seed=seed, root=base.parent)
    return loaded


def train(loaded: LoadedModel, chosen: Any, *, steps: int = 6) -> list[float]:
    """A few steps over the same four sequences.

    Returns:
        the loss before each step.
    """
    model: Any = loaded.model
    groups = parameter_groups(model, chosen, RATES.get(chosen.kind, 1e-2))
    optimizer = torch.optim.AdamW([{"params": group["params"], "lr": group["lr"]} for group in groups], weight_decay=0)
    torch.manual_seed(9)
    model.train()
    losses = []
    for _ in range(steps):
        loss = model(input_ids=IDS, labels=IDS, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    model.eval()
    return losses


@torch.no_grad()
def logits(loaded: LoadedModel) -> torch.Tensor:
    """What the model says of the four sequences (B, T, V)."""
    model: Any = loaded.model
    model.eval()
    said: torch.Tensor = model(input_ids=IDS, use_cache=False).logits
    return said
