"""Memory of an optimiser step, reckoned from the model's shape.

Weights, gradients and optimiser are counted. Activations are what the forward pass of a Llama-like layer keeps for the
backward pass, a token and layer: multiples of its widths, counted once with autograd's own hooks (see the tests) for
this project's attention, which keeps no scores, and its lean LoRA layers. The idea is that of Korthikanti et al.
(2205.05198); their figures are for another attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kamerton.recipe import ComputeSection, LoraMethod, Method, Recipe, TrainingSection, VirtualMethod
from kamerton.training.forecast.shapes import Shape, moving_weights

__all__ = ["PROCESS", "Need", "Range", "kept_bytes", "layout_tokens", "need_of", "sequences_of"]

PROCESS = 400 << 20
"""Resident memory of Python with torch, transformers and peft before any model, measured on Linux."""

_GPU_CONTEXT = 600 << 20
"""What CUDA and its libraries take of a GPU before any tensor."""

_CHUNK_ELEMENTS = 1 << 23
"""Logits that the head makes at once, see `models.token_loss`."""

_CPU_SHAPES = 64 << 20
"""What the libraries keep compiled for bfloat16 products of different shapes."""


class Range(NamedTuple):
    """An estimate with its interval."""

    low: float
    likely: float
    high: float

    def at_least(self, floor: float) -> Range:
        """The same where no end of it is below something that is needed for certain."""
        return Range(*(max(each, floor) for each in self))


@dataclass(frozen=True)
class Need:
    """Bytes at the fullest moment of a training, by what they are for."""

    process: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    head: int
    saving: int = 0
    """Copies that a checkpoint is written from, while there are no activations."""

    @property
    def peak(self) -> int:
        held = self.process + self.weights + self.optimizer
        return held + max(self.gradients + self.activations + self.head, self.saving)

    def document(self) -> dict[str, int]:
        return {name: int(value) for name, value in vars(self).items()}


def need_of(
    recipe: Recipe, shape: Shape, tokens: int, *, gpu: bool, moving: int | None = None, processes: int = 1
) -> Need:
    """What a recipe needs.

    Args:
        tokens: of the largest forward pass.
        gpu: the memory of a GPU, or of this process.
        moving: weights that move, where they were counted.
        processes: more than one: weights, gradients and optimiser are parted among them (fsdp2).
    """
    compute, method = recipe.training.compute, recipe.method
    moving = moving_weights(shape, method) if moving is None else moving
    bf16 = compute.precision == "bf16"
    frozen = max(shape.parameters - moving, 0) if method.kind in ("full", "freeze") else shape.parameters
    still = frozen * (2 if bf16 else 4)
    kind = recipe.model.quantization or ("nf4" if method.kind == "qlora" else "none")
    if kind != "none":
        # Embeddings and head are not quantised; 4 bits have scales of about half a bit a weight.
        linear = max(frozen - shape.embeddings, 0)
        still = int(linear * (1.0 if kind == "int8" else 0.57)) + shape.embeddings * (2 if bf16 else 4)
    state = _optimizer_bytes(recipe.training.optimizer.kind) * moving
    kept, working = kept_bytes(shape, method, compute, quantised=kind != "none")
    chunk = min(max(16, min(256, _CHUNK_ELEMENTS // shape.vocabulary)), tokens)
    head = chunk * shape.vocabulary * (10 if bf16 else 12) + tokens * shape.hidden * 8
    if method.kind == "full":
        head += shape.vocabulary * shape.hidden * 8
    return Need(
        process=_GPU_CONTEXT if gpu else PROCESS + (_CPU_SHAPES if bf16 else 0),
        weights=(still + 4 * moving) // processes + (_gathered(shape, bf16) if processes > 1 else 0),
        gradients=4 * moving // processes,
        optimizer=int(state) // processes,
        activations=int(tokens * (shape.layers * kept + working)),
        head=head,
        saving=0 if gpu else int(2 * state) + 4 * moving,
    )


def layout_tokens(options: TrainingSection, longest: int, sequences: int) -> int:
    """Tokens of the largest forward pass.

    Args:
        longest: tokens of the longest sequence; `max_length` where the data are not known.
        sequences: sequences of each example, which stand in one pass together.
    """
    return max(options.compute.pass_tokens, longest * sequences)


def sequences_of(objective: str) -> int:
    """Sequences that an objective judges together."""
    return 2 if objective in ("dpo", "orpo", "simpo", "reward") else 1


def kept_bytes(
    shape: Shape, method: Method, compute: ComputeSection, *, quantised: bool = False
) -> tuple[float, float]:
    """Activations, in bytes a token: those that each layer keeps, and those that one layer works with.

    Full fine-tuning keeps fp32 residuals beside bfloat16 products (autocast); adapters keep bfloat16 alone. An adapter
    that peft composes of single operations (dropout, DoRA, quantised bases, ia3, oft) keeps about twice as much.
    """
    bf16 = compute.precision == "bf16"
    value = 2 if bf16 else 4
    moves = method.kind in ("full", "freeze")
    if moves:
        wide, inner = (37.0, 8.5) if bf16 else (40.0, 16.0)
    elif isinstance(method, VirtualMethod):
        wide, inner = (14.0, 7.0) if bf16 else (28.0, 14.0)
    elif isinstance(method, LoraMethod) and not method.dropout and not method.dora and not quantised:
        wide, inner = (20.0, 8.0) if bf16 else (32.0, 16.0)
    else:
        wide, inner = (47.0, 16.5) if bf16 else (74.0, 32.0)
    low_rank = 7 * value * method.rank if isinstance(method, LoraMethod) else 0
    # The widths were counted with as many key heads as query heads.
    layer = wide * shape.hidden + inner * shape.feed_forward + low_rank - 2 * value * (shape.queries - shape.keys)
    # While a layer's gradients are made, those of its widest parts stand beside what was kept.
    gradients = 3 * value * shape.feed_forward + 4 * value * shape.hidden
    if not compute.gradient_checkpointing:
        return layer, gradients
    return (4.0 if moves or not bf16 else 2.0) * shape.hidden, layer + gradients


def _optimizer_bytes(kind: str) -> float:
    """Bytes of the optimiser's state for each weight that moves."""
    return {"adamw": 8.0, "adamw_8bit": 2.1, "adafactor": 0.1, "sgd": 4.0}[kind]


def _gathered(shape: Shape, bf16: bool) -> int:
    """The weights of one layer, and the embeddings, that stand whole while they are used."""
    layer = (shape.parameters - shape.embeddings) // max(shape.layers, 1)
    return (layer + shape.embeddings) * (2 if bf16 else 4)
