"""`training:` how the weights move."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kamerton.recipe.base import Section

__all__ = ["TrainingSection"]

Positive = Annotated[int, Field(ge=1)]


class TrainingSection(Section):
    """How the weights move."""

    objective: Literal["sft", "pretrain"] = "sft"
    """`sft` learns the answers of conversations; `pretrain` learns every token of texts."""
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the training part; ignored where `max_steps` is set."""
    max_steps: Positive | None = None
    """Optimiser steps; None follows `epochs`."""
    learning_rate: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Highest rate of AdamW; None means 2e-4 for lora and 2e-5 for full."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Course of the rate after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps of linear warm-up; None means 5 % of all steps."""
    min_rate_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """The cosine ends at this share of `learning_rate`."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay of AdamW."""
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Decay of AdamW's second moment; beta1 is 0.9."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this L2 norm."""
    batch_size: Positive = 8
    """Sequences a forward pass."""
    accumulation: Positive = 1
    """Forward passes an optimiser step; the loss is a mean over all trained tokens of the step."""
    max_length: Annotated[int, Field(ge=8)] = 512
    """Longest sequence in tokens; longer rows are cut, counted and reported."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """`bf16` runs matrix products under autocast; the weights stay in fp32."""
    chat_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """`pretrain` only: share of texts that are dressed as a conversation, so that the end-of-turn token is learned."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Order of rows, initial weights and dropout are functions of it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    threads: Positive | None = None
    """CPU threads; None means the number of physical cores. Another number gives other bits."""
    checkpoint_every: Positive = 50
    """Optimiser steps between checkpoints; one more is written at the end and at an interruption."""
    keep_checkpoints: Positive = 2
    """Newest checkpoints that are kept."""
    evaluate_every: Positive | None = None
    """Optimiser steps between measurements on the validation part; None means once an epoch."""
