"""Frozen weights in 8 or 4 bits, by bitsandbytes, on a CPU as well as on a GPU.

LLM.int8 (Dettmers et al., arXiv 2208.07339) and QLoRA's 4 bits (arXiv 2305.14314).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig

from kamerton.models.libraries import bitsandbytes
from kamerton.recipe import Method, ModelSection

__all__ = ["Quantization", "quantization_of", "steady"]


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Quantization:
    """How the linear layers of a base are stored and computed with; part of what a finished adapter was trained on."""

    kind: Literal["int8", "nf4", "fp4"]
    double: bool = True
    """4 bits: the scales of the blocks are quantised too."""
    compute: Literal["fp32", "bf16"] = "fp32"
    """Precision of the products with 4-bit weights; with 8 bits it is that of the input, and on a GPU int8 and fp16."""

    def document(self) -> dict[str, Any]:
        """For the file beside a finished adapter."""
        return asdict(self)

    def config(self) -> BitsAndBytesConfig:
        """The same for transformers.

        Raises:
            MissingExtraError: bitsandbytes is not installed.
        """
        bitsandbytes()
        if self.kind == "int8":
            return BitsAndBytesConfig(load_in_8bit=True)
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=self.kind,
            bnb_4bit_use_double_quant=self.double,
            bnb_4bit_compute_dtype=_DTYPES[self.compute],
        )


def quantization_of(model: ModelSection, method: Method, precision: str | None) -> Quantization | None:
    """What a recipe asks for; None leaves the base as it is.

    Args:
        precision: `training.compute.precision`, in which the 4-bit layers compute too.
    """
    kind = model.quantization or ("nf4" if method.kind == "qlora" else "none")
    if kind == "none":
        return None
    return Quantization(kind, model.double_quantization is not False, "bf16" if precision == "bf16" else "fp32")


def steady(model: torch.nn.Module) -> None:
    """Make the layers of a quantised model compute the same on a CPU, whether it trains or not.

    bitsandbytes 0.50 has other ways for judging there. 4 bits, with AVX512-BF16: the first pass packs the weights for
    good, computes in bf16 whatever the recipe says, and fails on layers of unusual width. 8 bits: inputs are rounded to
    8 bits too, by a rule that looks at the whole batch, so that a sequence says other things beside other sequences.
    """
    module: Any
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
        elif type(module).__name__ == "Linear8bitLt" and module.weight.device.type == "cpu":
            module.forward = _as_in_training(module)


def _as_in_training(module: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    forward = module.forward

    def trained(x: torch.Tensor) -> torch.Tensor:
        before, module.training = module.training, True
        try:
            found: torch.Tensor = forward(x)
            return found
        finally:
            module.training = before

    return trained
