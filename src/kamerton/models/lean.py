"""Leaner forward and backward passes of LoRA layers and norms: same weights, same files, same function.

peft composes W x + s B A x of separate operations under autograd, which keeps casts and scaled copies of activations.
Here it is one function that keeps x and A x alone and adds in place: about a fifth faster on a processor, and a
tenth of the activations smaller. The low-rank product is added before the sum is rounded, not after.

A norm of transformers likewise keeps three copies of its input, two of them in fp32; here it keeps the input alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from torch.autograd.function import once_differentiable

__all__ = ["make_lean", "make_norms_lean"]


def make_lean(model: torch.nn.Module) -> int:
    """Let every plain LoRA layer on a plain linear layer use the leaner pass; others stay as they are.

    Returns:
        how many layers were changed.
    """
    fitting = [module for module in model.modules() if type(module) is LoraLinear and _is_plain(module)]
    for module in fitting:
        module.__class__ = _LeanLinear
    return len(fitting)


def _is_plain(module: LoraLinear) -> bool:
    """One adapter without dropout, bias or variant (DoRA and others), on a linear layer that is not quantised."""
    names = list(module.lora_A.keys())
    return (
        len(names) == 1
        and type(module.base_layer) is torch.nn.Linear
        and isinstance(module.lora_dropout[names[0]], torch.nn.Identity)
        and module.lora_B[names[0]].bias is None
        and not module.lora_variant
        and not module.fan_in_fan_out
    )


class _LeanLinear(LoraLinear):
    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        name, *others = self.lora_A.keys()
        if args or kwargs or others or self.merged or self.disable_adapters or self.active_adapters != [name]:
            kept: torch.Tensor = super().forward(x, *args, **kwargs)
            return kept
        base: Any = self.base_layer
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else base.weight.dtype
        weights = self.lora_A[name].weight, self.lora_B[name].weight
        out: torch.Tensor = _Lora.apply(x.to(dtype), base.weight, base.bias, *weights, self.scaling[name])  # type: ignore[no-untyped-call]
        return out


class _Lora(torch.autograd.Function):
    """y = x W^T + b + s (x A^T) B^T, for x (..., I), W (O, I), A (R, I), B (O, R)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        W: torch.Tensor,
        bias: torch.Tensor | None,
        A: torch.Tensor,
        B: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        dtype, flat = x.dtype, x.reshape(-1, x.shape[-1])
        with torch.autocast(x.device.type, enabled=False):
            low = flat @ A.to(dtype).t()
            y = torch.nn.functional.linear(flat, W.to(dtype), None if bias is None else bias.to(dtype))
            y.addmm_(low, (B * scaling).to(dtype).t())
        ctx.save_for_backward(flat, low, W, bias, A, B)
        ctx.scaling = scaling
        return y.view(*x.shape[:-1], y.shape[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, low, W, bias, A, B = ctx.saved_tensors
        shape, grad = grad.shape, grad.reshape(-1, grad.shape[-1])
        asked = ctx.needs_input_grad
        d_low = grad @ (B * ctx.scaling).to(x.dtype)
        d_x = None
        if asked[0]:
            d_x = (grad @ W.to(x.dtype)).addmm_(d_low, A.to(x.dtype)).view(*shape[:-1], -1)
        d_W = (grad.t() @ x).to(W.dtype) if asked[1] else None
        d_bias = grad.sum(0).to(bias.dtype) if asked[2] else None
        d_A = (d_low.t() @ x).to(A.dtype) if asked[3] else None
        d_B = (grad.t() @ low).to(B.dtype).mul_(ctx.scaling) if asked[4] else None
        return d_x, d_W, d_bias, d_A, d_B, None


# -- norms -----------------------------------------------------------------------------------------------------------
def make_norms_lean(model: torch.nn.Module) -> int:
    """Let every root-mean-square norm use the leaner pass; others stay as they are.

    Returns:
        how many norms were changed.
    """
    fitting = [module for module in model.modules() if _is_norm(module)]
    for module in fitting:
        kind: Any = type(module)
        module.__class__ = _lean_norm(kind)
    return len(fitting)


@torch.no_grad()
def _is_norm(module: torch.nn.Module) -> bool:
    """Whether it says what a root-mean-square norm (arXiv 1910.07467) would: asked, since each family has its own."""
    weight = getattr(module, "weight", None)
    if not hasattr(module, "variance_epsilon") or not isinstance(weight, torch.Tensor) or weight.dim() != 1:
        return False
    if isinstance(module, _LeanNorm) or not weight.numel() or weight.is_meta:
        return False
    probe = torch.linspace(-3, 2, 2 * len(weight), device=weight.device).view(2, -1).to(weight.dtype)
    mine = _Norm.apply(probe, weight, module.variance_epsilon)  # type: ignore[no-untyped-call]
    return bool(torch.allclose(module(probe), mine, rtol=1e-2 if weight.dtype.itemsize == 2 else 1e-5))


@cache
def _lean_norm(kind: type[torch.nn.Module]) -> type[torch.nn.Module]:
    """A family's norm with the leaner pass."""
    return type(f"Lean{kind.__name__}", (_LeanNorm, kind), {})


class _LeanNorm(torch.nn.Module):
    weight: torch.nn.Parameter
    variance_epsilon: float

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = _Norm.apply(x, self.weight, self.variance_epsilon)  # type: ignore[no-untyped-call]
        return out


class _Norm(torch.autograd.Function):
    """y = w x / sqrt(mean(x^2) + epsilon), for x (..., H) and w (H,); in fp32 but for the product with w."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        wide = x.float()
        squares = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_()
        share = squares.div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, share, weight)
        out: torch.Tensor = weight * (wide * share).to(x.dtype)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, share, weight = ctx.saved_tensors
        even = x.float() * share
        d_x = d_weight = None
        if ctx.needs_input_grad[1]:
            d_weight = (grad * even).flatten(0, -2).sum(0).to(weight.dtype)
        if ctx.needs_input_grad[0]:
            slope = (grad * weight).float()
            along = (slope * even).mean(-1, keepdim=True)
            d_x = slope.sub_(even.mul_(along)).mul_(share).to(x.dtype)
        return d_x, d_weight, None
