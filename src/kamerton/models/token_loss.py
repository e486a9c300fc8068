"""What a causal model's next-token distributions say of the targets, without ever holding them all.

The logits of N positions over V tokens are the largest tensor of a training step by far. Here only positions that
are trained reach the head, and these a chunk at a time; the gradient of a chunk is made while its logits stand, as
in Liger's fused linear cross-entropy (arXiv 2410.10989).

Shapes: N positions, C positions of a chunk, D hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from kamerton.chat import IGNORED
from kamerton.models.packed import GRID

__all__ = ["Head", "bare", "find_head", "hidden_states", "modes_kept", "summed_nll", "token_log_probs"]

_CHUNK_ELEMENTS = 1 << 23
"""Logits of one chunk, as a number of elements: 32 MiB in fp32."""


@dataclass(frozen=True)
class Head:
    """How hidden states become logits: softcap * tanh(scale * module(hidden) / softcap)."""

    module: torch.nn.Module
    vocabulary: int
    scale: float = 1.0
    softcap: float | None = None

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (..., V) of hidden states (..., D)."""
        logits: torch.Tensor = self.module(hidden)
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        return [weight for weight in self.module.parameters() if weight.requires_grad]

    @property
    def chunk(self) -> int:
        """Positions whose logits stand in memory together; a function of the vocabulary alone."""
        return max(16, min(256, _CHUNK_ELEMENTS // self.vocabulary))


# -- hidden states ---------------------------------------------------------------------------------------------------
def bare(model: Any) -> Any:
    """The transformers model inside what wraps it: data parallelism, compilation, peft."""
    while True:
        if hasattr(model, "get_base_model"):
            model = model.get_base_model()
        elif isinstance(getattr(model, "module", None), torch.nn.Module) and not hasattr(model, "config"):
            model = model.module
        else:
            return getattr(model, "_orig_mod", model)


def find_head(model: Any) -> Head:
    """The head of a causal model, checked once against the model's own logits.

    A model that makes its logits in another way than `Head` gets the identity: its logits are then taken whole.
    """
    inner = bare(model)
    config = inner.config.get_text_config()
    module = inner.get_output_embeddings()
    if module is None and isinstance(getattr(inner, "score", None), torch.nn.Module):
        return Head(inner.score, config.vocab_size)  # scores of sequences in the vocabulary's place
    if module is None:
        return Head(torch.nn.Identity(), config.vocab_size)
    # Cohere multiplies its logits, Granite divides them, Gemma soft-caps them.
    scale = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)
    head = Head(module, config.vocab_size, scale, getattr(config, "final_logit_softcapping", None))
    return head if _agrees(inner, head) else Head(torch.nn.Identity(), config.vocab_size)


@torch.no_grad()
def _agrees(model: Any, head: Head) -> bool:
    """Whether the head makes the logits that the model makes."""
    mixed = len({weight.dtype for weight in model.parameters() if weight.is_floating_point()}) > 1
    with modes_kept(model), torch.autocast(model.device.type, torch.bfloat16, enabled=mixed):
        model.eval()
        ids = torch.arange(4, device=model.device)[None] % head.vocabulary
        whole = model(input_ids=ids, use_cache=False).logits[0]
        found = head(_captured(model, head.module, {"input_ids": ids, "use_cache": False})[0])
    tolerance = 1e-4 if whole.dtype in (torch.float32, torch.float64) else 2e-2
    return found.shape == whole.shape and bool((found - whole).abs().max() <= tolerance * whole.abs().max())


@contextmanager
def modes_kept(model: torch.nn.Module) -> Iterator[None]:
    """Each module trains or not, afterwards as before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def hidden_states(model: Any, head: Head, inputs: dict[str, Any]) -> torch.Tensor:
    """What the head would be given, (N, D) with N the positions of `input_ids`; no logits are made.

    Args:
        model: a causal model as it stands, in whatever wraps it; its hooks run as in any forward pass.
        inputs: keywords of its forward, `input_ids` (B, T) among them.
    """
    states: torch.Tensor
    if isinstance(head.module, torch.nn.Identity):
        states = model(**inputs).logits
    else:
        states = _captured(model, head.module, inputs)
    # Virtual tokens of a tuned prompt stand in front and have no targets.
    return states[:, -inputs["input_ids"].shape[1] :].flatten(0, 1)


def _captured(model: Any, head: torch.nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
    """The head's input (B, T, D), while the head itself only hands it on."""
    caught: list[torch.Tensor] = []

    def hand_on(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        caught.append(hidden)
        return hidden

    # On the instance, so that hooks around the module (sharding, offloading) see a call as always.
    head.forward = hand_on
    try:
        model(**inputs)
    finally:
        del head.forward
    (states,) = caught
    return states


# -- losses ----------------------------------------------------------------------------------------------------------
def summed_nll(head: Head, hidden: torch.Tensor, targets: torch.Tensor, chunk: int | None = None) -> torch.Tensor:
    """Negative log-likelihood in nats, summed over the positions that are trained; a scalar in fp32.

    Args:
        hidden: (N, D).
        targets: (N,) int64; `IGNORED` where a position is not trained.
        chunk: positions per chunk; None takes `head.chunk`.
    """
    found: torch.Tensor = _SummedNll.apply(*_trained(head, hidden, targets, chunk), *head.trained)  # type: ignore[no-untyped-call]
    return found


def token_log_probs(head: Head, hidden: torch.Tensor, targets: torch.Tensor, chunk: int | None = None) -> torch.Tensor:
    """Log-probability of each target in nats, (N,) fp32; 0 where a position is not trained.

    Differentiable in hidden states and head. The backward pass makes the logits again, chunk by chunk.
    """
    found: torch.Tensor = _LogProbs.apply(*_trained(head, hidden, targets, chunk), *head.trained)  # type: ignore[no-untyped-call]
    return found.new_zeros(targets.shape).masked_scatter(targets != IGNORED, found)


def _trained(
    head: Head, hidden: torch.Tensor, targets: torch.Tensor, chunk: int | None
) -> tuple[Head, int, bool, torch.Tensor, torch.Tensor]:
    """What the functions below take: hidden states (M' >= M, D) and targets (M,) of what is trained alone."""
    kept = (targets != IGNORED).nonzero()[:, 0]
    # Rounded up with the first one again, whose part is left out below: see `pack`.
    hidden = hidden.index_select(0, torch.cat([kept, kept[:1].expand(-len(kept) % GRID)]))
    learns = torch.is_grad_enabled() and (hidden.requires_grad or bool(head.trained))
    return head, chunk or head.chunk, learns, hidden, targets[kept]


def _exact(tensor: torch.Tensor) -> torch.dtype:
    """Softmax and sums are made in fp32 at least."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


class _Gradients:
    """Gradients of hidden states and of the head's weights, gathered chunk by chunk."""

    def __init__(self, hidden: torch.Tensor, weights: Sequence[torch.Tensor]) -> None:
        self.hidden = torch.empty_like(hidden)
        self._weights = weights
        self._sums = [torch.zeros_like(weight, dtype=_exact(weight)) for weight in weights]

    def add(self, rows: slice, leaf: torch.Tensor, logits: torch.Tensor, d_logits: torch.Tensor) -> None:
        """The part of a chunk: `leaf` are its hidden states, `d_logits` the gradient of its logits."""
        self.hidden[rows], *parts = torch.autograd.grad(logits, [leaf, *self._weights], d_logits.to(logits.dtype))
        for whole, part in zip(self._sums, parts, strict=True):
            whole += part

    @property
    def weights(self) -> list[torch.Tensor]:
        return [whole.to(weight.dtype) for whole, weight in zip(self._sums, self._weights, strict=True)]


def _logits(head: Head, part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A chunk's hidden states as a leaf, and its logits as a function of it."""
    with torch.enable_grad():
        leaf = part.detach().requires_grad_()
        return leaf, head(leaf)


class _SummedNll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        head: Head,
        chunk: int,
        learns: bool,
        hidden: torch.Tensor,
        targets: torch.Tensor,
        *weights: torch.nn.Parameter,
    ) -> torch.Tensor:
        total = hidden.new_zeros((), dtype=_exact(hidden))
        found = _Gradients(hidden, weights) if learns else None
        for begin in range(0, len(hidden), chunk):
            rows, wanted = slice(begin, begin + chunk), targets[begin : begin + chunk]
            leaf, logits = _logits(head, hidden[rows]) if found else (hidden[rows], head(hidden[rows]))
            log_probs = torch.log_softmax(logits.detach(), -1, dtype=_exact(logits))
            places = torch.arange(len(wanted), device=wanted.device), wanted
            total -= log_probs[places].sum()
            if found:
                slope = log_probs.exp_()  # the gradient of the chunk's loss: softmax, minus one at the target
                slope[places] -= 1
                slope[len(wanted) :] = 0
                found.add(rows, leaf, logits, slope)
        if found:
            ctx.save_for_backward(found.hidden, *found.weights)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        d_hidden, *d_weights = (found * grad.to(found.dtype) for found in ctx.saved_tensors)
        return None, None, None, d_hidden, None, *d_weights


class _LogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        head: Head,
        chunk: int,
        learns: bool,
        hidden: torch.Tensor,
        targets: torch.Tensor,
        *weights: torch.nn.Parameter,
    ) -> torch.Tensor:
        found = hidden.new_empty(len(targets), dtype=_exact(hidden))
        for begin in range(0, len(hidden), chunk):
            rows, wanted = slice(begin, begin + chunk), targets[begin : begin + chunk]
            logits = head(hidden[rows])
            log_probs = torch.log_softmax(logits, -1, dtype=_exact(logits))
            found[rows] = log_probs[torch.arange(len(wanted), device=wanted.device), wanted]
        if learns:
            ctx.save_for_backward(hidden, targets, *weights)
            device = hidden.device.type
            ctx.precision = device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)
            ctx.head, ctx.chunk = head, chunk
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, targets, *weights = ctx.saved_tensors
        found = _Gradients(hidden, weights)
        for begin in range(0, len(hidden), ctx.chunk):
            rows, wanted = slice(begin, begin + ctx.chunk), targets[begin : begin + ctx.chunk]
            with torch.autocast(*ctx.precision):
                leaf, logits = _logits(ctx.head, hidden[rows])
            # The gradient of the log-probabilities: one at the target, minus softmax.
            slope = torch.softmax(logits.detach(), -1, dtype=_exact(logits))
            slope[: len(wanted)].mul_(-grad[rows, None])
            slope[torch.arange(len(wanted), device=wanted.device), wanted] += grad[rows]
            slope[len(wanted) :] = 0
            found.add(rows, leaf, logits, slope)
        return None, None, None, found.hidden, None, *found.weights
