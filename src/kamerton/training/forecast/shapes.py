"""The shape of a model, read from its files without loading it.

Legend: D hidden size, F inner width of the feed-forward, A width of all query heads, K width of all key heads.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kamerton.recipe import (
    AdapterMethod,
    Architecture,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    OftMethod,
    PrefixMethod,
    PTuningMethod,
    VirtualMethod,
)

__all__ = ["Shape", "moving_weights", "read_shape", "shape_of"]


_LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the format itself."""


@dataclass(frozen=True)
class Shape:
    """What memory and time of a decoder depend on."""

    hidden: int
    layers: int
    feed_forward: int
    """Inner width that one token passes through; of all its experts together."""
    queries: int
    """Width of all query heads together."""
    keys: int
    """Width of all key heads together."""
    vocabulary: int
    parameters: int
    embeddings: int
    """Of `parameters`, those of the token embeddings and of an output head of its own."""
    context: int

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of the linear layers of one decoder layer, by the names of Llama."""
        wide, inner = self.hidden, self.feed_forward
        return {
            "q_proj": (wide, self.queries),
            "k_proj": (wide, self.keys),
            "v_proj": (wide, self.keys),
            "o_proj": (self.queries, wide),
            "gate_proj": (wide, inner),
            "up_proj": (wide, inner),
            "down_proj": (inner, wide),
        }


def shape_of(architecture: Architecture) -> Shape:
    """The shape of a model from random weights."""
    return _shape(
        {
            "hidden_size": architecture.hidden_size,
            "num_hidden_layers": architecture.layers,
            "intermediate_size": architecture.feed_forward,
            "num_attention_heads": architecture.heads,
            "vocab_size": architecture.vocabulary,
            "max_position_embeddings": architecture.context,
            "tie_word_embeddings": True,
        }
    )


def read_shape(config: Path) -> Shape | None:
    """The shape that a `config.json` describes; None where it is of a kind that is not known.

    The number of parameters is that of the safetensors beside it, where there are some.
    """
    try:
        document = json.loads(config.read_text(encoding="utf-8"))
        shape = _shape(document.get("text_config") or document, stored=_stored(config.parent))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, ZeroDivisionError):
        return None
    return shape


def _shape(config: dict[str, Any], stored: dict[str, list[int]] | None = None) -> Shape:
    def number(*names: str) -> int:
        return next(int(config[name]) for name in names if config.get(name) is not None)

    hidden, layers = number("hidden_size", "n_embd", "d_model"), number("num_hidden_layers", "n_layer", "num_layers")
    heads = number("num_attention_heads", "n_head", "num_heads")
    head = int(config.get("head_dim") or hidden // heads)
    inner = next((int(config[name]) for name in ("intermediate_size", "n_inner", "ffn_dim") if config.get(name)), 0)
    experts = int(config.get("num_experts") or config.get("num_local_experts") or 1)
    used = int(config.get("num_experts_per_tok") or 1) if experts > 1 else 1
    each = int(config.get("moe_intermediate_size") or inner or 4 * hidden) if experts > 1 else inner or 4 * hidden
    queries, keys = heads * head, int(config.get("num_key_value_heads") or heads) * head
    vocabulary = number("vocab_size")
    tied = bool(config.get("tie_word_embeddings", "n_embd" in config))
    embeddings = vocabulary * hidden * (1 if tied else 2)
    parameters = embeddings + layers * (2 * hidden * (queries + keys) + 3 * hidden * each * experts + 2 * hidden)
    if stored:
        parameters = sum(math.prod(sizes) for sizes in stored.values())
        embeddings = sum(math.prod(sizes) for sizes in stored.values() if vocabulary in sizes)
    context = int(config.get("max_position_embeddings") or config.get("n_positions") or 1 << 20)
    return Shape(hidden, layers, each * used, queries, keys, vocabulary, parameters, embeddings, context)


def _stored(folder: Path) -> dict[str, list[int]]:
    """The shape of each tensor in a folder's safetensors, from their headers alone."""
    found: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, _LONGEST_HEADER)))
        found |= {name: about["shape"] for name, about in header.items() if name != "__metadata__"}
    return found


def moving_weights(shape: Shape, method: Method) -> int:
    """About how many weights a method moves; exact for Llama-like layers."""
    linear = shape.linear
    if isinstance(method, FullMethod):
        return shape.parameters
    if isinstance(method, FreezeMethod):
        share = min(abs(method.layers), shape.layers) / shape.layers
        return int(share * (shape.parameters - shape.embeddings)) + shape.vocabulary * shape.hidden * len(
            [name for name in method.extra_modules if "embed" in name or "head" in name]
        )
    if isinstance(method, VirtualMethod):
        if isinstance(method, PrefixMethod):
            return method.virtual_tokens * shape.layers * 2 * shape.keys
        inner = 3 * shape.hidden * shape.hidden if isinstance(method, PTuningMethod) else 0
        return method.virtual_tokens * shape.hidden + inner
    assert isinstance(method, AdapterMethod)
    chosen = [size for name, size in linear.items() if _targeted(method, name)] or list(linear.values())
    whole = shape.vocabulary * shape.hidden * len(method.modules_to_save)
    if isinstance(method, LoraMethod):
        each = sum(method.rank * (into + out) + (out if method.dora else 0) for into, out in chosen)
    elif isinstance(method, Ia3Method):
        each = 2 * shape.keys + shape.feed_forward
    else:
        assert isinstance(method, OftMethod)
        each = sum(into * ((method.block_size or 32) - 1) // 2 for into, _ in chosen)
    return shape.layers * each + whole


def _targeted(method: AdapterMethod, name: str) -> bool:
    return isinstance(method.targets, str) or any(target.split(".")[-1] == name for target in method.targets)
