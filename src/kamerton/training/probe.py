"""The class probe: a small fixed training whose hash is the class of a machine as it computes.

What a machine is (instruction sets, versions, switches) can be listed and the list can miss something. Two machines
whose probes differ cannot make each other's models; where the probes are equal, the arithmetic of a training is alike.

The network has a Llama's kinds of arithmetic in shapes that are large enough to be divided among threads and to reach
the processor's matrix instructions: embedding, RMSNorm, rotary-free causal attention over heads, gated feed-forward
products, thin products as of an adapter, cross-entropy, gradient clipping and AdamW. It is written out here, with
weights by a formula, so that no library's random numbers or model code can change what it measures.

Shapes: T tokens, D hidden size, F feed-forward size, R rank, V vocabulary, H heads.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy, embedding, rms_norm, scaled_dot_product_attention, silu

from kamerton.ground.errors import MachineError

__all__ = ["Probe", "probe"]

_TOKENS, _VOCABULARY, _HIDDEN, _FEED_FORWARD, _HEADS, _RANK, _LAYERS, _STEPS = 381, 1024, 512, 688, 8, 8, 1, 2

Weights = dict[str, torch.Tensor]


class Probe(NamedTuple):
    """What the probe found."""

    hash: str
    """First 16 hex digits of the SHA-256 of losses, gradient norms and weights."""
    seconds: float
    """Wall time."""


def probe(threads: int, precision: str, device: torch.device) -> Probe:
    """Train the probe twice; measured once per process.

    Args:
        threads: CPU threads, as of the run that it stands for.
        precision: `fp32`, or `bf16` for matrix products in bfloat16.

    Raises:
        MachineError: the two trainings differ, so that no run of this machine can be promised to be repeatable.
    """
    return _measured(threads, precision, str(device))


@cache
def _measured(threads: int, precision: str, where: str) -> Probe:
    device, began = torch.device(where), time.monotonic()
    with _contract(threads):
        first, second = (_train(precision, device) for _ in range(2))
    if first != second:
        raise MachineError(
            f"the same small training gave two results ({first}, {second}) with {threads} threads in {precision}",
            where="class probe",
            expected="equal bits from equal work",
            mend="train with training.compute.threads=1, or look for what makes this machine compute by luck",
        )
    return Probe(first, time.monotonic() - began)


@contextmanager
def _contract(threads: int) -> Iterator[None]:
    """The number of threads and the kernels of a run, for the time of the probe."""
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict)


def _train(precision: str, device: torch.device) -> str:
    """A few steps; the hash of everything that came out."""
    weights = {name: weight.to(device).requires_grad_() for name, weight in _first_weights().items()}
    places = torch.arange(_TOKENS + 1)
    ids = ((places * places * 7 + places * 3) % 1021).to(device)  # of each word several, for the sums of embeddings
    optimizer = torch.optim.AdamW(list(weights.values()), lr=2.0**-10)
    told = hashlib.sha256()
    for _ in range(_STEPS):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits_TV = _logits(weights, ids[:-1])
        loss = cross_entropy(logits_TV.float(), ids[1:])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        told.update(torch.stack([loss.detach(), norm]).cpu().numpy().tobytes())
    for weight in weights.values():
        told.update(weight.detach().cpu().numpy().tobytes())
    return told.hexdigest()[:16]


def _first_weights() -> Weights:
    shapes = {"words": (_VOCABULARY, _HIDDEN)}
    for layer in range(_LAYERS):
        shapes |= {
            f"{layer}.query_key_value": (3 * _HIDDEN, _HIDDEN),
            f"{layer}.output": (_HIDDEN, _HIDDEN),
            f"{layer}.gate_up": (2 * _FEED_FORWARD, _HIDDEN),
            f"{layer}.down": (_HIDDEN, _FEED_FORWARD),
            f"{layer}.thin_in": (_RANK, _HIDDEN),
            f"{layer}.thin_out": (_HIDDEN, _RANK),
        }
    return {name: _formula(place, shape) for place, (name, shape) in enumerate(shapes.items(), start=1)}


def _formula(place: int, shape: tuple[int, int]) -> torch.Tensor:
    """Numbers between -1/16 and 1/16 by integer arithmetic alone (a multiplicative hash, twice), exact everywhere."""
    mixed = torch.arange(shape[0] * shape[1], dtype=torch.int64) + place * 2**24
    for _ in range(2):
        mixed = (mixed * 2654435761) % 2**32
        mixed = mixed ^ (mixed >> 15)
    return ((mixed >> 12).to(torch.float32) * 2.0**-19 - 1.0).view(shape) * 2.0**-4


def _logits(weights: Weights, ids_T: torch.Tensor) -> torch.Tensor:
    """(T, V): the word weights are used twice, as in a model with tied embeddings."""
    stream_TD = embedding(ids_T, weights["words"])
    for layer in range(_LAYERS):
        own = {name.partition(".")[2]: weight for name, weight in weights.items() if name.startswith(f"{layer}.")}
        stream_TD = stream_TD + _attend(own, rms_norm(stream_TD, (_HIDDEN,)))
        stream_TD = stream_TD + _feed_forward(own, rms_norm(stream_TD, (_HIDDEN,)))
    return rms_norm(stream_TD, (_HIDDEN,)) @ weights["words"].t()


def _attend(own: Weights, stream_TD: torch.Tensor) -> torch.Tensor:
    together = stream_TD @ own["query_key_value"].t()
    query, key, value = together.view(1, len(stream_TD), 3, _HEADS, -1).permute(2, 0, 3, 1, 4)
    mixed = scaled_dot_product_attention(query, key, value, is_causal=True)
    mixed_TD = mixed.transpose(1, 2).reshape(len(stream_TD), _HIDDEN)
    return mixed_TD @ own["output"].t() + (mixed_TD @ own["thin_in"].t()) @ own["thin_out"].t()


def _feed_forward(own: Weights, stream_TD: torch.Tensor) -> torch.Tensor:
    gate, up = (stream_TD @ own["gate_up"].t()).chunk(2, dim=-1)
    return (silu(gate) * up) @ own["down"].t()
