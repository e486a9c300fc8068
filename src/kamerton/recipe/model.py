"""`model:` which weights the run starts from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kamerton.recipe.base import Section

__all__ = ["Architecture", "ModelSection", "TemplateName"]

TemplateName = Literal[
    "tokenizer", "chatml", "plain", "alpaca", "deepseek", "deepseek3", "deepseekr1", "default", "empty", "gemma",
    "gemma2", "gemma3", "llama2", "llama3", "ministral", "mistral", "phi", "phi4", "phi4_mini", "qwen", "qwen3",
    "qwen3_nothink", "smollm", "yi", "zephyr",
]  # fmt: skip


class Architecture(Section):
    """The shape of a Llama-like model that starts from random weights."""

    hidden_size: Annotated[int, Field(ge=16)] = 192
    """Width of the residual stream; a multiple of `heads`."""
    layers: Annotated[int, Field(ge=1)] = 6
    """Number of decoder layers."""
    heads: Annotated[int, Field(ge=1)] = 6
    """Number of attention heads."""
    feed_forward: Annotated[int, Field(ge=16)] = 512
    """Width of the gated feed-forward layer."""
    vocabulary: Annotated[int, Field(ge=300, le=1_000_000)] = 4096
    """Size of the byte-fallback BPE tokenizer that is trained on the training part before the model."""
    context: Annotated[int, Field(ge=16)] = 1024
    """Longest sequence, in tokens, that the model is declared for."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Architecture:
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError("hidden_size must be an even multiple of heads")
        return self


class ModelSection(Section):
    """Which weights the run starts from."""

    base: str | None = None
    """A packaged model (`tiny-pl`), a local folder, or a hub id with an optional `@revision`."""
    architecture: Architecture | None = None
    """Random weights of this shape instead of `base`; for `objective: pretrain`."""
    quantization: Literal["none", "int8", "nf4", "fp4"] | None = None
    """How the linear layers of a frozen base are stored (needs the extra `quantization`): in 8 bits (2208.07339), or in
    4 bits as in QLoRA (2305.14314). None means none, and nf4 for `method.kind: qlora`."""
    double_quantization: bool | None = None
    """With 4 bits: the scales of the blocks are quantised too, which saves 0.4 bits a weight. None means true."""
    chat_template: TemplateName = "tokenizer"
    """`tokenizer` is the tokenizer's own template, which is the authority; the named ones are for tokenizers that bring
    none, and write what LLaMA-Factory's templates of these names write (`plain`: texts one under the other)."""

    @model_validator(mode="after")
    def _one_origin(self) -> ModelSection:
        if (self.base is None) == (self.architecture is None):
            raise ValueError("give exactly one of base and architecture")
        return self
