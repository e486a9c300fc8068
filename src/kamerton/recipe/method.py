"""`method:` which weights move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kamerton.recipe.base import Section

__all__ = ["FullMethod", "LoraMethod", "Method"]


class FullMethod(Section):
    """Every weight moves."""

    kind: Literal["full"]
    """Every weight of the model moves."""


class LoraMethod(Section):
    """Low-rank adapters beside frozen weights (Hu et al., arXiv 2106.09685)."""

    kind: Literal["lora"] = "lora"
    """Adapters move, the base stays as it is."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """Inner width of each adapter."""
    alpha: Annotated[float, Field(gt=0)] | None = None
    """The adapter's output is scaled by alpha / rank; None means 2 x rank."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability that an adapter input is dropped while training."""
    targets: Annotated[list[str], Field(min_length=1)] | Literal["all_linear"] = "all_linear"
    """Names of the linear layers that get an adapter; `all_linear` is every one but the output head."""


def _default_kind(value: object) -> object:
    return {"kind": "lora", **value} if isinstance(value, dict) else value


Method = Annotated[
    Annotated[FullMethod | LoraMethod, Field(discriminator="kind")],
    BeforeValidator(_default_kind),
]
