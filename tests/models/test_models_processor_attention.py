"""Attention on a processor: its two kernels say the same."""

import numpy as np
import pytest
import torch

from kamerton.models.processor_attention import EachSequence


@pytest.mark.parametrize("lengths", [[40], [33, 7, 70], [100, 28], [600, 31]])
def test_attention_in_bf16_is_exact_but_for_the_rounding_of_its_products(lengths: list[int]) -> None:
    bounds = [(end - length, end) for length, end in zip(lengths, np.cumsum(lengths).tolist(), strict=True)]
    torch.manual_seed(0)
    shapes = [(1, heads, sum(lengths), 8) for heads in (4, 2, 2)]
    rough = [torch.randn(shape).bfloat16().requires_grad_() for shape in shapes]
    exact = [x.detach().float().requires_grad_() for x in rough]
    outs = [EachSequence.apply(*inputs, bounds, 0.7) for inputs in (rough, exact)]  # type: ignore[no-untyped-call]
    slope = torch.randn(outs[0].shape).bfloat16()
    grads = [torch.autograd.grad(outs[0], rough, slope), torch.autograd.grad(outs[1], exact, slope.float())]
    for found, wanted in zip([outs[0], *grads[0]], [outs[1], *grads[1]], strict=True):
        assert found.dtype == torch.bfloat16
        assert float((found.detach().float() - wanted.detach()).norm() / wanted.detach().norm()) < 1e-2
