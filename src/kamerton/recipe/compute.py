"""`training.compute:`, `.optimizer:`, `.parallel:` how the arithmetic is laid out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from kamerton.recipe.base import Section

__all__ = ["ComputeSection", "Optimizer", "OptimizerSection", "ParallelSection"]

Positive = Annotated[int, Field(ge=1)]


class ComputeSection(Section):
    """How the work of a step is laid out; what is None is decided by the check before the run, and recorded."""

    precision: Literal["fp32", "bf16"] | None = None
    """`bf16` runs matrix products in bfloat16, and weights that do not move are stored in it; None takes it where the
    processor or GPU has it. Of the training alone: evaluation and generation are in fp32."""
    packing: bool = True
    """Sequences stand end to end without padding and without seeing each other; false pads each to the longest, and
    examples of like length share a step, which is another order."""
    forward_tokens: Positive | None = None
    """Most tokens of one forward pass; an optimiser step has as many passes as its examples need. It decides memory
    and speed and not what is learned, apart from the last bits."""
    gradient_checkpointing: bool | None = None
    """Activations are computed twice instead of kept; None does so only where memory needs it."""
    compile: bool = False
    """`torch.compile`: minutes before the first step, faster ones after."""
    threads: Positive | None = None
    """CPU threads; None means the number of physical cores. Another number gives other bits."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""

    @property
    def pass_tokens(self) -> int:
        """`forward_tokens`, or what is usual on a processor where nobody has decided yet."""
        return self.forward_tokens or 768


class OptimizerSection(Section):
    """What turns gradients into steps."""

    kind: Literal["adamw", "adamw_8bit", "adafactor", "sgd"] = "adamw"
    """`adamw_8bit` keeps its moments in 8 bits (Dettmers et al., 2110.02861; needs the extra `quantization`);
    `adafactor` keeps means over rows and columns (Shazeer and Stern, 1804.04235), and takes `learning_rate` as is."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay; norms and biases have none."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the first moment; of the momentum with `sgd`."""
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Decay of the second moment."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this L2 norm."""


Optimizer = Annotated[
    OptimizerSection, BeforeValidator(lambda value: {"kind": value} if isinstance(value, str) else value)
]


class ParallelSection(Section):
    """How several processes share a run; a run of one process needs none of it."""

    strategy: Literal["ddp", "fsdp2", "deepspeed"] = "ddp"
    """`ddp` copies the model to each process, `fsdp2` parts weights and optimiser among them, `deepspeed` does what its
    file says."""
    deepspeed: str | None = None
    """A DeepSpeed configuration file."""

    @model_validator(mode="after")
    def _file_and_strategy(self) -> ParallelSection:
        if (self.strategy == "deepspeed") != (self.deepspeed is not None):
            raise ValueError("strategy: deepspeed and the file deepspeed: go together")
        return self
