"""A model of two layers with an objective, without a run around it: losses, gradients and a few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kamerton.chat import Message
from kamerton.data.rows import Row
from kamerton.models.load import LoadedModel, load_base
from kamerton.models.methods import apply_method, trainable_parameters
from kamerton.models.quantize import Quantization
from kamerton.recipe import FullMethod, LoraMethod, Method, TrainingSection
from kamerton.training.examples import Example
from kamerton.training.network import Network
from kamerton.training.objectives import Objective, build_objective, head_labels

FULL = FullMethod(kind="full")
LORA = LoraMethod(rank=4)
THINGS = ["dowód", "paszport", "meldunek", "parking", "drzewo", "chodnik", "szkoła", "woda"]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def bot(text: str) -> Message:
    return {"role": "assistant", "content": text}


def asked(number: int) -> Message:
    return user(f"Gdzie załatwię: {THINGS[number % len(THINGS)]} {number}?")


def ranked(number: int, *more: str) -> Row:
    worse = [bot("Nie wiem, proszę pytać w innym pokoju."), *map(bot, more)]
    return Row(messages=(asked(number),), ranked=(bot(f"Pokój {number + 1}."), *worse), file="r.jsonl", line=number + 1)


def rated(number: int) -> Row:
    answer = f"Pokój {number + 1}." if number % 2 else "Nie wiem."
    return Row(messages=(asked(number), bot(answer)), liked=bool(number % 2), file="k.jsonl", line=number + 1)


def answered(number: int) -> Row:
    return Row(messages=(asked(number), bot(["tak", "nie"][number % 2])), file="c.jsonl", line=number + 1)


ROWS: dict[str, Callable[[int], Row]] = {
    "sft": answered,
    "pretrain": lambda number: Row(text=f"Urząd: {THINGS[number % 8]}, pokój {number}."),
    "dpo": ranked,
    "orpo": ranked,
    "simpo": ranked,
    "reward": ranked,
    "kto": rated,
    "classification": answered,
    "grpo": answered,
}


@dataclass
class Trial:
    """An objective about to train."""

    objective: Objective
    network: Network
    examples: list[Example]
    notices: list[dict[str, Any]] = field(default_factory=list)

    @property
    def weights(self) -> dict[str, torch.nn.Parameter]:
        return trainable_parameters(self.network.loaded.model)

    def backward(self, step: int = 1) -> tuple[float, dict[str, float]]:
        """Loss and metrics of a step over all examples; gradients stay on the weights."""
        examples, context = self.objective.begin_step(self.network, self.examples, step)
        units = sum(self.objective.units(example) for example in examples)
        total, metrics = 0.0, dict[str, float]()
        for batch in self.network.batches(examples):
            loss = self.objective.loss(self.network, batch, context)
            (loss.total / units).backward()
            total += float(loss.total.detach()) / units
            for name, value in loss.metrics.items():
                metrics[name] = metrics.get(name, 0.0) + value / len(examples)
        return total, metrics

    def gradients(self) -> dict[str, torch.Tensor]:
        found = {}
        for name, weight in self.weights.items():
            if weight.grad is not None:
                found[name] = weight.grad.clone()
                weight.grad = None
        return found

    def train(self, steps: int, rate: float = 1e-2) -> list[float]:
        """The loss of each of some steps of AdamW."""
        optimizer = torch.optim.AdamW(self.weights.values(), lr=rate)
        losses = []
        self.network.model.train()
        for step in range(1, steps + 1):
            losses.append(self.backward(step)[0])
            optimizer.step()
            optimizer.zero_grad()
        return losses


def options(
    kind: str, compute: dict[str, Any] | None = None, max_length: int = 96, **objective: Any
) -> TrainingSection:
    arithmetic = {"precision": "fp32", "device": "cpu", "gradient_checkpointing": False, "threads": 1}
    return TrainingSection(
        objective={"kind": kind, **objective}, max_length=max_length, batch_size=4, compute=arithmetic | (compute or {})
    )


def loaded(base: Path, chosen: TrainingSection, rows: Sequence[Row], method: Method) -> LoadedModel:
    stored = Quantization("nf4") if method.kind == "qlora" else None
    labels = head_labels(chosen.objective, rows)
    found = load_base(str(base), base.parent, device="cpu", labels=labels, quantization=stored)
    apply_method(found, method, seed=0)
    return found


def trial(
    base: Path,
    kind: str,
    rows: Sequence[Row] | None = None,
    method: Method = LORA,
    compute: dict[str, Any] | None = None,
    **more: Any,
) -> Trial:
    """An objective over rows of its kind."""
    chosen = options(kind, compute, **more)
    rows = [ROWS[kind](number) for number in range(6)] if rows is None else rows
    model = loaded(base, chosen, rows, method)
    made = Trial(build_objective(chosen, model), Network(model, chosen.compute), [])
    made.examples = made.objective.examples(rows).examples
    made.objective.start(made.network, {"train": made.examples, "validation": []}, made.notices.append)
    return made


def shake(network: Network, scale: float = 0.05) -> None:
    """Other weights, so that nothing is zero or at its start."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in trainable_parameters(network.loaded.model).values():
            weight.add_(torch.randn(weight.shape, generator=generator) * scale)
